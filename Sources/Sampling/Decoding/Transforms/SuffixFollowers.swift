// Licensed under the Apache License, Version 2.0.

/// What followed the earlier copies of a growing text's last tokens.
///
/// It is a suffix automaton. A state stands for the sequences of the text that end at the same
/// places, the longest of them first; its link leads to their next shorter suffixes. A growing text
/// costs amortised O(1) per token, where a comparison with all earlier places would cost O(text).
///
/// Reference: Blumer, Blumer, Haussler, Ehrenfeucht, Chen and Seiferas 1985, "The smallest automaton
/// recognizing the subwords of a text", section 3.
struct SuffixFollowers: Sendable {
  /// An arc to the next state, kept in a list for each state.
  private struct Arc {
    var token: Token
    var next: Int32
  }

  private static let none: Int32 = -1
  private static let root: Int32 = 0

  // State by state: the length of its longest sequence, its link, its first arc, its number of arcs.
  private var lengths: [Int32] = [0]
  private var links: [Int32] = [none]
  private var heads: [Int32] = [none]
  private var degrees: [Int32] = [0]
  private var arcs: [Arc] = []
  private var targets: [UInt64: Int32] = [:]
  /// The state of the whole text.
  private var last = root
  /// The state of the text's last ``shortest`` tokens, and how many these are so far.
  private var short = root
  private var shortLength: Int32 = 0
  private let shortest: Int

  /// Creates the empty text.
  ///
  /// - Parameter shortest: the fewest last tokens that count as a copy, at least 1.
  init(shortest: Int) { self.shortest = shortest }

  /// Adds a token to the text.
  mutating func append(_ token: Token) {
    let state = addState(length: lengths[Int(last)] + 1, link: Self.root)
    var place = last
    while place != Self.none, target(of: place, token) == nil {
      addArc(place, token, state)
      place = links[Int(place)]
    }
    if place != Self.none, let met = target(of: place, token) {
      links[Int(state)] = split(met, behind: place, token)
    }
    last = state
    // A split may have moved the last tokens to a state of their own.
    shorten()
    guard let next = target(of: short, token) else { preconditionFailure("a suffix goes on") }
    short = next
    if Int(shortLength) < shortest { shortLength += 1 }
    shorten()
  }

  /// The state that holds what reads the token behind `place` and nothing longer.
  private mutating func split(_ met: Int32, behind place: Int32, _ token: Token) -> Int32 {
    let length = lengths[Int(place)] + 1
    if lengths[Int(met)] == length { return met }
    let copy = addState(length: length, link: links[Int(met)])
    var arc = heads[Int(met)]
    while arc != Self.none {
      let token = arcs[Int(arc)].token
      if let next = target(of: met, token) { addArc(copy, token, next) }
      arc = arcs[Int(arc)].next
    }
    var place = place
    while place != Self.none, target(of: place, token) == met {
      targets[Self.key(place, token)] = copy
      place = links[Int(place)]
    }
    links[Int(met)] = copy
    return copy
  }

  private mutating func shorten() {
    while short != Self.root, lengths[Int(links[Int(short)])] >= shortLength {
      short = links[Int(short)]
    }
  }

  private mutating func addState(length: Int32, link: Int32) -> Int32 {
    lengths.append(length)
    links.append(link)
    heads.append(Self.none)
    degrees.append(0)
    return Int32(lengths.count - 1)
  }

  private mutating func addArc(_ state: Int32, _ token: Token, _ target: Int32) {
    targets[Self.key(state, token)] = target
    arcs.append(Arc(token: token, next: heads[Int(state)]))
    heads[Int(state)] = Int32(arcs.count - 1)
    degrees[Int(state)] += 1
  }

  private func target(of state: Int32, _ token: Token) -> Int32? { targets[Self.key(state, token)] }

  private static func key(_ state: Int32, _ token: Token) -> UInt64 {
    UInt64(state) << 32 | UInt64(token.index)
  }

  /// Calls `body` with each token that followed an earlier copy of the last tokens, and with the
  /// length of the longest such copy.
  ///
  /// - Parameters:
  ///   - found: room for a number per token of the vocabulary; it is overwritten.
  ///   - body: is called once for each such token.
  /// - Complexity: O(tokens found), and a step for each state between the longest copies and the
  ///   shortest.
  func forEach(in found: inout [Double], _ body: (Token, Int) -> Void) {
    guard Int(shortLength) == shortest else { return }
    // What follows a longer copy follows each shorter one, too.
    var remaining = degrees[Int(short)]
    each(short) { found[$0.index] = 0 }
    var state = last
    while remaining > 0 {
      let length = Double(lengths[Int(state)])
      each(state) {
        guard found[$0.index] == 0 else { return }
        found[$0.index] = length
        remaining -= 1
      }
      state = links[Int(state)]
    }
    each(short) { body($0, Int(found[$0.index])) }
  }

  private func each(_ state: Int32, _ body: (Token) -> Void) {
    var arc = heads[Int(state)]
    while arc != Self.none {
      body(arcs[Int(arc)].token)
      arc = arcs[Int(arc)].next
    }
  }
}
