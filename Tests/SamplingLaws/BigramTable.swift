// Licensed under the Apache License, Version 2.0.

public import Sampling

/// A bigram model given by its table: small enough to enumerate, and easy to check by hand.
public struct BigramTable: FiniteContextModel {
  /// `^`, `$` and the letters.
  public let vocabulary: Vocabulary
  /// Rows for the start symbol and the letters; columns for the letters and the end.
  public let rows: [[Double]]

  /// The letters' rows of probabilities, the start symbol's first; each adds up to one.
  public init(letters: [String], rows: [[Double]]) {
    vocabulary = Vocabulary(
      spellings: (["^", "$"] + letters).map { Array($0.utf8) }, spacing: .none, start: Token(0),
      end: Token(1), unknown: nil)
    self.rows = rows
  }

  /// The language T of the reference sheet: letters a and b.
  public static let toy = BigramTable(
    letters: ["a", "b"], rows: [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.1, 0.5]])

  /// The text of some letters, each one character.
  public func text(_ letters: String) -> TokenSequence {
    TokenSequence(letters.compactMap { vocabulary.token(String($0)) })
  }

  /// All texts of these lengths.
  public func texts(ofLengths lengths: ClosedRange<Int>) -> [TokenSequence] {
    var all: [TokenSequence] = []
    var layer: [[Token]] = [[]]
    for length in 0...lengths.upperBound {
      if lengths.contains(length) { all += layer.map { TokenSequence($0) } }
      layer = layer.flatMap { text in (2..<vocabulary.count).map { text + [Token($0)] } }
    }
    return all
  }

  private func probability(of token: Token, after last: Token) -> Double {
    let row = rows[last == vocabulary.start ? 0 : last.index - 1]
    if token == vocabulary.end { return row[row.count - 1] }
    return token == vocabulary.start ? 0 : row[token.index - 2]
  }

  /// The last token.
  public func makeContext() -> Token { vocabulary.start }
  /// Remembers the token alone.
  public func advance(_ context: inout Token, by token: Token) { context = token }
  /// From the table.
  public func logProbability(of token: Token, in context: Token) -> Double {
    LogSpace.log(probability(of: token, after: context))
  }
  /// One.
  public var contextLimit: Int { 1 }
}

extension TokenAutomaton {
  /// The texts of a letter model whose lengths lie in a range, and of which a test may hold.
  ///
  /// The automaton is the tree of all prefixes: slow and right for every property of texts.
  public init(
    _ model: BigramTable, lengths: ClosedRange<Int>,
    weight: (TokenSequence) -> Double = { _ in 0 }
  ) {
    let texts = model.texts(ofLengths: 0...lengths.upperBound)
    let index = Dictionary(uniqueKeysWithValues: texts.enumerated().map { ($1, $0) })
    let classCount = model.vocabulary.count
    var transitions: [State] = []
    for text in texts {
      for token in 0..<classCount {
        let next = TokenSequence(text.tokens + [Token(token)])
        transitions.append(index[next].map { State($0) } ?? Self.dead)
      }
    }
    self.init(
      start: 0, classes: (0..<classCount).map { UInt32($0) }, classCount: classCount,
      transitions: transitions,
      finalWeights: texts.map { lengths.contains($0.count) ? weight($0) : -.infinity })
  }
}
