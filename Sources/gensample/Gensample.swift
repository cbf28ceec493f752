// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs
import Sampling

@main
enum Gensample {
  static var groups: [(title: String, commands: [any Command.Type])] {
    [
      (
        "sample from a distribution",
        [
          MH.self, GibbsCommand.self, RejectionCommand.self, Importance.self, Anneal.self,
          Temper.self,
          SMC.self, Exact.self, Tune.self,
        ]
      ),
      ("decode left to right", [Greedy.self, Beam.self, Sample.self]),
      ("models", [Train.self, Score.self, Convert.self, Inspect.self, Models.self]),
      ("study", [Check.self, Audit.self, Diagnose.self]),
    ]
  }

  static var commands: [any Command.Type] { groups.flatMap(\.commands) }

  static var help: String {
    var page = """
      usage: gensample <command> [arguments] [options]

      Describe the text you want. gensample samples texts that fit, and tells you how far to trust
      them.

      """
    for group in groups {
      page += "\n\(group.title):\n"
      for command in group.commands {
        page += "  " + command.name.padding(toLength: 12, withPad: " ", startingAt: 0)
        page += command.summary + "\n"
      }
    }
    return page + "\nFor help on a command, run 'gensample help COMMAND'.\n"
  }

  static func main() {
    // Without this, a closed pipe would kill the program; write(2) reports it instead.
    signal(SIGPIPE, SIG_IGN)
    // The same for a limit on the size of files.
    signal(SIGXFSZ, SIG_IGN)
    Interruption.begin()
    do {
      try run(Array(CommandLine.arguments.dropFirst()))
    } catch let nothing as NothingToDo {
      if !CommandLine.arguments.contains("--quiet") { report("gensample: \(nothing.message)") }
    } catch {
      tell(error)
      exit(code(error).exitCode)
    }
  }

  private static func code(_ error: any Error) -> CommandFailure.Kind {
    switch error {
    case let failure as CommandFailure: failure.kind
    case let error as LoadError: exitCode(error.kind)
    case let error as DecodingError:
      error.kind == .badArgument ? .usage : error.kind == .unmet ? .data : .failed
    default: .failed
    }
  }

  private static func exitCode(_ kind: LoadError.Kind) -> CommandFailure.Kind {
    switch kind {
    case .cannotRead: .unreadable
    case .cannotWrite: .unwritable
    case .badData: .data
    case .badArgument: .usage
    case .cancelled: Interruption.failure ?? .interrupted
    default: .failed
    }
  }

  static func run(_ words: [String]) throws {
    switch words.first {
    case nil, "--help", "-h":
      try show(help)
    case "help" where words.count == 1 || words[1] == "help":
      try show(help)
    case "--version":
      try show("gensample \(programVersion)\n")
    case "help":
      try show(command(words[1]).help)
    case let name?:
      let command = try command(name)
      let rest = Array(words.dropFirst())
      let options = rest.prefix { $0 != "--" }
      if options.contains(where: { $0 == "--help" || $0 == "-h" }) {
        try show(command.help)
        return
      }
      if options.contains("--version") {
        try show("gensample \(programVersion)\n")
        return
      }
      try command.run(
        Arguments(rest, options: command.options, command: command.name))
    }
  }

  private static func show(_ page: String) throws(CommandFailure) {
    let stream = try ResultStream(path: nil)
    try stream.writeLine(String(page.dropLast()))
    try stream.finish()
  }

  private static func command(_ name: String) throws(CommandFailure) -> any Command.Type {
    if let command = commands.first(where: { $0.name == name }) { return command }
    let near = suggestions(for: name, among: commands.map { $0.name }).map { "'\($0)'" }
    throw .usage(
      "there is no command '\(name)'"
        + (near.isEmpty ? " " : ", did you mean \(alternatives(near))? ")
        + "(see 'gensample --help')")
  }
}
