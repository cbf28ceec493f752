// Licensed under the Apache License, Version 2.0.

import Runs

/// An option as its command declares it.
struct Option: Sendable {
  /// The name after the two hyphens.
  var name: String
  /// What stands for the value in the help page; `nil` for a flag.
  var valueName: String?
  /// The help text: one phrase with the default.
  var help: String
  /// Whether it may be given more than once.
  var isRepeatable = false

  init(_ name: String, _ valueName: String?, isRepeatable: Bool = false, _ help: String) {
    self.name = name
    self.valueName = valueName
    self.isRepeatable = isRepeatable
    self.help = help
  }

  /// Declares a flag, an option without a value.
  init(flag name: String, _ help: String) { self.init(name, nil, help) }
}

/// The one-letter forms of options.
let shortNames: [Character: String] = ["o": "output", "h": "help"]
