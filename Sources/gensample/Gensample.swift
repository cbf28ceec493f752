// Licensed under the Apache License, Version 2.0.

import Foundation
import LM

@main
enum Gensample {
  static let version = "0.1.0"

  static var groups: [(title: String, commands: [any Command.Type])] {
    [
      ("sample from a target", [MH.self]),
      ("models", [Train.self, Score.self, Convert.self, Inspect.self, Models.self]),
      ("study", [Check.self]),
    ]
  }

  static var commands: [any Command.Type] { groups.flatMap(\.commands) }

  static var help: String {
    var page = """
      usage: gensample <command> [arguments] [options]

      Samples text from a distribution that you write down.

      """
    for group in groups {
      page += "\n\(group.title):\n"
      for command in group.commands {
        page += "  " + command.name.padding(toLength: 12, withPad: " ", startingAt: 0)
        page += command.summary + "\n"
      }
    }
    return page + "\n'gensample help COMMAND' says more of each.\n"
  }

  static func main() {
    // A closed pipe is an answer of write(2), not the end of the program.
    signal(SIGPIPE, SIG_IGN)
    do {
      try run(Array(CommandLine.arguments.dropFirst()))
    } catch let failure as CommandFailure {
      report("gensample: \(failure.message)")
      exit(failure.code.rawValue)
    } catch let error as LoadError {
      report("gensample: \(error)")
      exit(exitCode(error.kind).rawValue)
    } catch {
      report("gensample: \(error)")
      exit(CommandFailure.Code.failed.rawValue)
    }
  }

  private static func exitCode(_ kind: LoadError.Kind) -> CommandFailure.Code {
    switch kind {
    case .cannotRead: .unreadable
    case .cannotWrite: .unwritable
    case .badData: .data
    case .badArgument: .usage
    case .cancelled: Interruption.exitCode ?? .interrupted
    default: .failed
    }
  }

  static func run(_ words: [String]) throws {
    switch words.first {
    case nil, "--help", "-h":
      print(help, terminator: "")
    case "help" where words.count == 1:
      print(help, terminator: "")
    case "--version":
      print("gensample \(version)")
    case "help":
      print(try command(words[1]).help, terminator: "")
    case let name?:
      let command = try command(name)
      let rest = Array(words.dropFirst())
      if rest.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
        print(command.help, terminator: "")
        return
      }
      try command.run(
        Arguments(rest, options: command.options, command: command.name))
    }
  }

  private static func command(_ name: String) throws(CommandFailure) -> any Command.Type {
    if let command = commands.first(where: { $0.name == name }) { return command }
    let near = nearest(to: name, among: commands.map { $0.name })
    throw .usage(
      "there is no command '\(name)'\(near.map { ", did you mean '\($0)'?" } ?? "") "
        + "(see 'gensample --help')")
  }
}
