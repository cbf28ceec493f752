// Licensed under the Apache License, Version 2.0.

import Foundation
import Sampling
import Synchronization

/// A text judged by scanning it, as a reader of the interface page would: the slow twin of every
/// statement.
struct NaiveText {
  let string: String
  let scalars: [Unicode.Scalar]

  init(_ string: String) {
    self.string = string
    scalars = Array(string.unicodeScalars)
  }

  static func lower(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
    scalars.map { $0.properties.lowercaseMapping.unicodeScalars.first ?? $0 }
  }

  /// Whether a scalar is a letter or digit of a script with spaces; tests hold no others but Han.
  static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    isHan(scalar) ? false : CharacterSet.alphanumerics.contains(scalar)
  }

  static func isHan(_ scalar: Unicode.Scalar) -> Bool { (0x4E00...0x9FFF).contains(scalar.value) }

  static func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar == " " }

  /// Places at which a quoted word occurs.
  func places(_ word: String, ignoringCase: Bool = false) -> [Int] {
    var own = scalars
    var wanted = Array(word.unicodeScalars)
    if ignoringCase {
      own = Self.lower(own)
      wanted = Self.lower(wanted)
    }
    guard wanted.count <= own.count else { return [] }
    return (0...own.count - wanted.count).filter { place in
      guard Array(own[place..<place + wanted.count]) == wanted else { return false }
      if Self.isLetter(wanted[0]), place > 0, Self.isLetter(own[place - 1]) { return false }
      let end = place + wanted.count
      if Self.isLetter(wanted[wanted.count - 1]), end < own.count, Self.isLetter(own[end]) {
        return false
      }
      return true
    }
  }

  func count(_ word: String, ignoringCase: Bool = false) -> Int {
    places(word, ignoringCase: ignoringCase).count
  }

  /// Occurrences of an expression from left to right, each the one that ends first.
  func count(expression: String) -> Int {
    let whole = Self.whole(expression)
    var count = 0
    var from = 0
    search: while from < scalars.count {
      for end in from + 1...scalars.count {
        for start in from..<end {
          // The piece alone: tests use no anchors here.
          let piece = String(String.UnicodeScalarView(scalars[start..<end]))
          let range = NSRange(piece.startIndex..., in: piece)
          if whole.firstMatch(in: piece, range: range) != nil {
            count += 1
            from = end
            continue search
          }
        }
      }
      break
    }
    return count
  }

  /// Words, with the punctuation around them.
  var words: [[Unicode.Scalar]] {
    var words: [[Unicode.Scalar]] = []
    for run in scalars.split(whereSeparator: Self.isSpace) {
      if !run.contains(where: Self.isHan) {
        words.append(Array(run))
        continue
      }
      var fragment: [Unicode.Scalar] = []
      func close() {
        if fragment.contains(where: Self.isLetter) { words.append(fragment) }
        fragment = []
      }
      for scalar in run {
        if Self.isHan(scalar) {
          close()
          words.append([scalar])
        } else {
          fragment.append(scalar)
        }
      }
      close()
    }
    return words
  }

  /// Words without the punctuation around them; what is nothing but punctuation stays.
  var cores: [String] {
    words.map { word in
      guard word.contains(where: { Self.isLetter($0) || Self.isHan($0) }) else {
        return String(String.UnicodeScalarView(word))
      }
      var core = word[...]
      while let first = core.first, !Self.isLetter(first), !Self.isHan(first) { core.removeFirst() }
      while let last = core.last, !Self.isLetter(last), !Self.isHan(last) { core.removeLast() }
      return String(String.UnicodeScalarView(core))
    }
  }

  /// Whether the whole text matches, by Foundation's engine.
  func matches(_ expression: String) -> Bool {
    let range = NSRange(string.startIndex..., in: string)
    return Self.whole(expression).firstMatch(in: string, range: range) != nil
  }

  private static let compiled = Mutex([String: NSRegularExpression]())

  /// Foundation's expression for a whole text, compiled once.
  private static func whole(_ expression: String) -> NSRegularExpression {
    compiled.withLock { known in
      if let expression = known[expression] { return expression }
      guard let made = try? NSRegularExpression(pattern: "\\A(?:\(expression))\\z") else {
        preconditionFailure("a test's expression is wrong")
      }
      known[expression] = made
      return made
    }
  }

  /// Whether a word matches when it stands alone.
  static func matches(_ word: String, _ expression: String) -> Bool {
    NaiveText(word).matches(expression)
  }

  /// Whether words occur one behind the other without overlap.
  func areInOrder(_ words: [String]) -> Bool {
    var from = 0
    for word in words {
      guard let place = places(word).first(where: { $0 >= from }) else { return false }
      from = place + word.unicodeScalars.count
    }
    return true
  }
}
