// Licensed under the Apache License, Version 2.0.

/// How `smc` draws tokens.
///
/// It shares the option `--tokens` with the kind of the model's tokens.
enum TokenDrawing: String, CaseIterable {
  case guided, rejection

  /// The command that has this option.
  static let command = "smc"
}
