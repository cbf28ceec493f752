// Licensed under the Apache License, Version 2.0.

/// What a user can call: one file each in `Commands/`.
protocol Command {
  /// The word after `gensample`.
  static var name: String { get }
  /// One line for the list of commands.
  static var summary: String { get }
  /// What stands after the name.
  static var usage: String { get }
  /// A paragraph for the command's own help.
  static var discussion: String { get }
  /// All options it takes.
  static var options: [Option] { get }

  /// Does it.
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

/// Words in lines of at most so many characters; one line at least.
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
