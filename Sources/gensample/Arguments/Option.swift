// Licensed under the Apache License, Version 2.0.

/// An option as its command declares it.
struct Option: Sendable {
  /// The name after the two hyphens.
  var name: String
  /// What stands for the value in help; `nil` for a flag.
  var valueName: String?
  /// One sentence, defaults included.
  var help: String
  /// Whether it may be given more than once.
  var isRepeatable = false

  init(_ name: String, _ valueName: String?, isRepeatable: Bool = false, _ help: String) {
    self.name = name
    self.valueName = valueName
    self.isRepeatable = isRepeatable
    self.help = help
  }

  /// A flag.
  init(flag name: String, _ help: String) { self.init(name, nil, help) }
}

/// A short form of an option.
let shortNames: [Character: String] = ["o": "output", "h": "help"]
