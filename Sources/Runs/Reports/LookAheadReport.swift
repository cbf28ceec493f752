// Licensed under the Apache License, Version 2.0.

/// What is expected of the rest of a text: by the constraint's state and the last token, or by the
/// state alone.
public enum LookAheadKind: String, CaseIterable, Codable, Sendable {
  /// By the state and the last token, which takes more memory.
  case bigrams
  /// By the state alone.
  case words
}

/// How texts were drawn from left to right, and what was left out.
public struct LookAheadReport: Codable, Sendable {
  /// The most tokens that a text could have.
  public var maxTokens: Int
  /// Whether longer texts would be allowed.
  public var isBounded: Bool
  /// What is expected of the rest of a text.
  public var kind: LookAheadKind
  /// The bytes that the look-ahead by bigrams would take; `nil` if it had room.
  public var neededBytes: Int?
  /// The bytes that a look-ahead may take.
  public var allowedBytes: Int

  /// Remarks for people.
  package var notes: [String] {
    var notes: [String] = []
    if isBounded {
      notes.append("texts of more than \(counted(maxTokens, "token")) are left out (--max-tokens)")
    }
    if let neededBytes {
      notes.append(
        "looking ahead by words alone: bigrams take \(neededBytes >> 20) MB, --memory allows "
          + "\(allowedBytes >> 20)")
    }
    return notes
  }
}
