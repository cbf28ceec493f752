// Licensed under the Apache License, Version 2.0.

/// A command of the program; each has a file of its own in `Commands/`.
protocol Command {
  /// The command's name on the command line.
  static var name: String { get }
  /// One line for the list of commands.
  static var summary: String { get }
  /// The rest of the usage line, after the name.
  static var usage: String { get }
  /// The text of the command's help page, between the usage line and the options.
  static var discussion: String { get }
  /// All options that it accepts.
  static var options: [Option] { get }

  /// Runs the command and writes its results.
  static func run(_ arguments: Arguments) throws
}

extension Command {
  /// The page that `--help` prints.
  static var help: String {
    var page = "usage: gensample \(name) \(usage)\n\n\(discussion)\n"
    let rows = (options + [Option(flag: "help", "print this page")]).map { option in
      (left: "--\(option.name)\(option.valueName.map { " \($0)" } ?? "")", right: option.help)
    }
    let width = min(28, rows.map(\.left.count).max() ?? 0)
    page += "\noptions:\n"
    for row in rows {
      let lines = wrapped(row.right, to: 96 - width)
      let left = "  " + row.left
      let indent = String(repeating: " ", count: width + 4)
      if row.left.count > width {
        page += left + "\n" + indent + lines[0] + "\n"
      } else {
        page += left + String(repeating: " ", count: width + 4 - left.count) + lines[0] + "\n"
      }
      for line in lines.dropFirst() { page += indent + line + "\n" }
    }
    return page
  }
}

/// Fills lines of at most `width` characters with the words of a text; returns at least one line.
func wrapped(_ text: String, to width: Int) -> [String] {
  var lines = [""]
  for word in text.split(separator: " ") {
    if lines[lines.count - 1].isEmpty {
      lines[lines.count - 1] = String(word)
    } else if lines[lines.count - 1].count + 1 + word.count <= width {
      lines[lines.count - 1] += " " + word
    } else {
      lines.append(String(word))
    }
  }
  return lines
}
