// Licensed under the Apache License, Version 2.0.

import LM
import Sampling

/// Swift's own engine beside expressions of constraint files.
struct ExpressionTwin {
  /// Every scalar is a token.
  let vocabulary: Vocabulary
  let scalars: [Unicode.Scalar]
  let tree: VocabularyTree

  init(_ alphabet: String) {
    scalars = Array(alphabet.unicodeScalars)
    vocabulary = Vocabulary(
      spellings: [Array("<s>".utf8), Array("</s>".utf8), Array("<unk>".utf8)]
        + scalars.map { Array(String(Character($0)).utf8) },
      spacing: .none, start: Token(0), end: Token(1), unknown: Token(2))
    tree = VocabularyTree(vocabulary)
  }

  /// All texts of up to so many scalars.
  func texts(upTo longest: Int) -> [[Int]] {
    var all: [[Int]] = [[]]
    var layer = all
    for _ in 0..<longest {
      layer = layer.flatMap { text in scalars.indices.map { text + [$0] } }
      all += layer
    }
    return all
  }

  func string(_ text: [Int]) -> String {
    String(String.UnicodeScalarView(text.map { scalars[$0] }))
  }

  /// What the compiled expression says of a text.
  func automaton(_ expression: String, ignoringCase: Bool = false) throws -> TokenAutomaton? {
    let parsed = try RegularExpression.parse(expression, ignoringCase: ignoringCase)
    do throws(ConstraintError) {
      return try Constraint(.match(parsed), text: expression).automaton(for: tree)
    } catch {
      // As a statement it would be refused.
      guard error.description.contains("every text meets it") else { throw error }
      return TokenAutomaton(every: vocabulary)
    }
  }

  /// Texts about which both differ.
  func differences(_ expression: String, _ texts: [[Int]], ignoringCase: Bool = false) throws
    -> [String]
  {
    var regex = try Regex(expression).matchingSemantics(.unicodeScalar).wordBoundaryKind(.simple)
    if ignoringCase { regex = regex.ignoresCase() }
    guard let automaton = try automaton(expression, ignoringCase: ignoringCase) else { return [] }
    return try texts.compactMap { text in
      let string = string(text)
      let expected = try regex.wholeMatch(in: string) != nil
      let found = automaton.logWeight(of: text.map { Token($0 + 3) }) == 0
      return found == expected ? nil : "/\(expression)/ \(string.debugDescription): \(found)"
    }
  }

  /// An expression written at random from the shared syntax.
  static func expression(depth: Int, using choices: inout RandomChoices) -> String {
    func pick(_ all: [String]) -> String { all[choices.index(below: all.count)] }
    func sub() -> String { expression(depth: depth - 1, using: &choices) }
    if depth == 0 {
      return pick([
        "a", "b", "-", ".", "\\w", "\\W", "\\s", "\\S", "[ab]", "[^a]", "[a-c&&b-d]", "[\\w--b]",
        "[ab~~bc]", "[[a-b]-]", "[^a-b&&[b-c]]", "[a-c--[^b]]", "\\b", "\\B", "^", "$", "",
      ])
    }
    switch choices.index(below: 8) {
    case 0, 1, 2: return sub() + sub()
    case 3: return "(" + sub() + "|" + sub() + ")"
    case 4: return "(?:" + sub() + ")" + pick(["*", "+", "?"])
    case 5: return "(" + sub() + ")" + pick(["{2}", "{1,2}", "{2,}", "{,2}", "{0}", "{2,3}"])
    case 6: return "(?i:" + sub() + ")" + sub()
    default: return sub()
    }
  }
}
