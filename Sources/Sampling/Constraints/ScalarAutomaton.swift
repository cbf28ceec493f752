// Licensed under the Apache License, Version 2.0.

/// Why a constraint has no automaton of bearable size, as a sentence.
public struct ConstraintError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The sentence, without its full stop.
  public let description: String

  /// Creates an error from a sentence without its full stop.
  public init(_ description: String) { self.description = description }
}

/// A deterministic automaton over classes of scalars that can count occurrences.
///
/// It has the fewest possible states and classes.
struct ScalarAutomaton: Sendable {
  static let dead = UInt32.max
  static let largestStateCount = 100_000
  /// The limit on steps through the expression's graph while states are made: a fraction of a
  /// second.
  static let largestWork = 60_000_000

  private(set) var classes: ScalarClasses
  /// State x class, row by row; the start is state 0.
  private(set) var transitions: [UInt32] = []
  /// State x class: how much reading the scalar adds to the count.
  private(set) var outputs: [Int32] = []
  /// Whether the text may end in a state, and what its end adds to the count.
  private(set) var isFinal: [Bool] = []
  private(set) var finalOutputs: [Int32] = []

  var stateCount: Int { isFinal.count }

  /// Accepts the texts that match an expression from beginning to end.
  init(matching expression: Expression) throws(ConstraintError) {
    try self.init([expression], .whole)
  }

  /// Accepts any text and counts the occurrences of an expression.
  ///
  /// - Parameters:
  ///   - expression: the expression to count; empty matches do not count.
  ///   - mayOverlap: whether every place where an occurrence ends counts. If not, the search begins
  ///     anew after each occurrence.
  /// - Throws: `ConstraintError` if the automaton would be too large.
  init(countingOccurrencesOf expression: Expression, mayOverlap: Bool) throws(ConstraintError) {
    try self.init([expression], mayOverlap ? .overlapping : .apart)
  }

  /// Accepts the texts in which matches of the expressions follow one another without overlap.
  init(inOrder expressions: [Expression]) throws(ConstraintError) {
    try self.init(expressions, .inOrder)
  }

  /// Accepts any text and counts its scalars, or their bytes.
  init(countingBytes: Bool) {
    classes = ScalarClasses(separating: countingBytes ? Set(ScalarClasses.byteCounts) : [])
    transitions = [UInt32](repeating: 0, count: classes.count)
    outputs = [Int32](repeating: 1, count: classes.count)
    if countingBytes {
      for (i, set) in ScalarClasses.byteCounts.enumerated() {
        for (c, isMember) in classes.members(of: set).enumerated() where isMember {
          outputs[c] = Int32(i + 1)
        }
      }
    }
    isFinal = [true]
    finalOutputs = [0]
  }

  /// Accepts the texts in which every word matches an expression.
  ///
  /// Each word is matched alone, without its outer punctuation. Words are counted as `length`
  /// counts them.
  init(everyWordMatching expression: Expression) throws(ConstraintError) {
    let kinds = ScalarKind.allCases.map { ScalarSet.kind($0) }
    let word = try ScalarAutomaton(matching: expression)
    classes = ScalarClasses(separating: expression.simplified.sets.union(kinds))
    let samples = classes.samples
    let classKinds = samples.map { sample in
      ScalarKind.allCases.first { ScalarSet.kind($0).contains(sample) } ?? .other
    }
    let wordClasses = samples.map { Int(word.classes.index(of: $0)) }
    enum Place: Hashable {
      /// After a space or at the beginning; or after a scalar of a script without spaces, or after
      /// punctuation that follows one.
      case between, besideSpaceless
      /// In the punctuation before a word. It is a word itself if nothing else follows.
      case signs(UInt32)
      /// In a word: the state that its text leads to, and whether it matches up to its last letter.
      case word(UInt32, Bool)
    }
    var index: [Place: UInt32] = [.between: 0]
    var queue: [Place] = [.between]
    func step(_ state: UInt32, _ c: Int) -> UInt32 {
      state == Self.dead
        ? Self.dead : word.transitions[Int(state) * word.classes.count + wordClasses[c]]
    }
    func matches(_ state: UInt32) -> Bool { state != Self.dead && word.isFinal[Int(state)] }
    /// Whether a word may end here. Punctuation before a spaceless scalar is no word of its own.
    func mayEnd(_ place: Place, beforeSpaceless: Bool) -> Bool {
      switch place {
      case .between, .besideSpaceless: true
      case .signs(let state): beforeSpaceless || matches(state)
      case .word(_, let isMatch): isMatch
      }
    }
    var done = 0
    while done < queue.count {
      let place = queue[done]
      done += 1
      for c in 0..<classes.count {
        var next: Place?
        switch classKinds[c] {
        case .space: if mayEnd(place, beforeSpaceless: false) { next = .between }
        case .spaceless:
          if mayEnd(place, beforeSpaceless: true), matches(step(0, c)) { next = .besideSpaceless }
        case .letter:
          switch place {
          case .word(let state, _):
            let following = step(state, c)
            if following != Self.dead { next = .word(following, matches(following)) }
          default:
            let following = step(0, c)
            if following != Self.dead { next = .word(following, matches(following)) }
          }
        case .other:
          switch place {
          case .between: next = .signs(step(0, c))
          case .besideSpaceless: next = place
          case .signs(let state): next = .signs(step(state, c))
          case .word(let state, let isMatch):
            let following = step(state, c)
            if following != Self.dead || isMatch { next = .word(following, isMatch) }
          }
        }
        if let next {
          let known = index[next] ?? UInt32(queue.count)
          if known == queue.count {
            index[next] = known
            queue.append(next)
          }
          transitions.append(known)
        } else {
          transitions.append(Self.dead)
        }
        outputs.append(0)
      }
      isFinal.append(mayEnd(place, beforeSpaceless: false))
      finalOutputs.append(0)
    }
    minimize()
  }

  /// Whether every text is allowed and nothing is counted, so that the automaton has no effect.
  var isTrivial: Bool {
    stateCount == 1 && isFinal[0] && finalOutputs[0] == 0
      && transitions.allSatisfy { $0 == 0 } && outputs.allSatisfy { $0 == 0 }
  }

  private enum Mode { case whole, overlapping, apart, inOrder }

  /// The places of the compiled expression after the scalars read so far, the scalar before, and
  /// which of several expressions is being looked for.
  private struct Key: Hashable {
    var nodes: [Int32]
    var before: Int
    var stage: Int
  }

  private init(
    _ written: [Expression], _ mode: Mode
  ) throws(ConstraintError) {
    let expressions = written.map(\.simplified)
    let sets = expressions.reduce(into: Set<ScalarSet>()) { $0.formUnion($1.sets) }
    classes = ScalarClasses(separating: sets)
    var sides = Sides(classes)
    var programs: [Program] = []
    for expression in expressions {
      programs.append(try Program(expression, classes, &sides))
    }
    sides.distinguish()
    var index: [Key: UInt32] = [:]
    var queue: [Key] = []
    func number(_ key: Key) -> UInt32 {
      if let known = index[key] { return known }
      let next = UInt32(queue.count)
      index[key] = next
      queue.append(key)
      return next
    }
    // During a search an occurrence may begin anywhere, so its beginning need not be in the key.
    let first: [Int32] = mode == .whole ? [0] : []
    _ = number(Key(nodes: first, before: sides.nothingBefore, stage: 0))
    var done = 0
    /// The effect of the next scalar depends only on how places treat it, until it is read.
    struct Prepared {
      var places: [Int32]
      var stage: Int
      var found: Bool
    }
    while done < queue.count {
      guard queue.count <= Self.largestStateCount else {
        throw ConstraintError(
          "it needs an automaton of more than \(Self.largestStateCount) states; take smaller counts "
            + "or fewer '.*'")
      }
      guard programs.allSatisfy({ $0.work <= Self.largestWork }) else {
        throw ConstraintError(
          "its automaton takes too long to compile (\(done) states so far); take smaller counts")
      }
      let key = queue[done]
      done += 1
      if key.stage == programs.count {
        // All expressions were found in order, so any rest will do.
        for _ in 0..<classes.count {
          transitions.append(number(key))
          outputs.append(0)
        }
        isFinal.append(true)
        finalOutputs.append(0)
        continue
      }
      var prepared = [Prepared?](repeating: nil, count: sides.afterCount)
      func prepare(_ after: Int) -> Prepared {
        if let known = prepared[after] { return known }
        var result = Prepared(places: [], stage: key.stage, found: false)
        var found = false
        result.places = programs[key.stage].closure(
          key.nodes, key.before, after, sides, found: &found)
        result.found = found
        if mode != .whole {
          var nodes = key.nodes
          if result.found, mode == .inOrder {
            result.stage += 1
            nodes = []
          } else if result.found, mode == .apart {
            nodes = []
          }
          result.places = []
          if result.stage < programs.count {
            var ignored = false
            result.places = programs[result.stage].closure(
              nodes + [0], key.before, after, sides, found: &ignored)
          }
        }
        prepared[after] = result
        return result
      }
      for c in 0..<classes.count {
        let ready = prepare(sides.afterOfClass[c])
        if ready.stage == programs.count {
          transitions.append(
            number(Key(nodes: [], before: sides.nothingBefore, stage: ready.stage)))
          outputs.append(0)
          continue
        }
        let next = programs[ready.stage].step(ready.places, c)
        if mode == .whole && next.isEmpty {
          transitions.append(Self.dead)
          outputs.append(0)
          continue
        }
        transitions.append(
          number(Key(nodes: next, before: sides.beforeOfClass[c], stage: ready.stage)))
        outputs.append(ready.found && mode != .whole && mode != .inOrder ? 1 : 0)
      }
      let ready = prepare(sides.nothingAfter)
      switch mode {
      case .whole: isFinal.append(ready.found)
      case .inOrder: isFinal.append(ready.stage == programs.count)
      case .overlapping, .apart: isFinal.append(true)
      }
      finalOutputs.append(ready.found && (mode == .overlapping || mode == .apart) ? 1 : 0)
    }
    minimize()
  }

  /// Merges states with equal futures, and classes that all states treat alike.
  private mutating func minimize() {
    let small = TokenAutomaton(
      start: 0, classes: (0..<UInt32(classes.count)).map { $0 }, classCount: classes.count,
      transitions: transitions, weights: outputs.map { Double($0) },
      finalWeights: isFinal.indices.map { i in
        isFinal[i] ? Double(finalOutputs[i]) : -.infinity
      }
    ).minimized()
    // States keep their order, so that the start stays first.
    classes = classes.merged(small.classes, count: small.classCount)
    transitions = small.transitions
    outputs =
      small.weights.isEmpty
      ? [Int32](repeating: 0, count: transitions.count) : small.weights.map { Int32($0) }
    isFinal = small.finalWeights.map { $0 > -.infinity }
    finalOutputs = small.finalWeights.map { $0 > -.infinity ? Int32($0) : 0 }
  }

  /// The conditions of places on their neighbours, and which classes answer them alike.
  private struct Sides {
    typealias Side = Expression.Neighbours.Side

    private let classes: ScalarClasses
    private var beforeSides: [Side] = []
    private var afterSides: [Side] = []
    /// Answers x sides.
    private var beforeAnswers: [[Bool]] = []
    private var afterAnswers: [[Bool]] = []
    private(set) var beforeOfClass: [Int] = []
    private(set) var afterOfClass: [Int] = []
    private(set) var nothingBefore = 0
    private(set) var nothingAfter = 0

    init(_ classes: ScalarClasses) { self.classes = classes }

    var afterCount: Int { afterAnswers.count }

    /// The numbers of both sides, -1 for a side that does not matter.
    mutating func number(_ neighbours: Expression.Neighbours) -> (before: Int, after: Int) {
      func number(_ side: Side?, _ sides: inout [Side]) -> Int {
        guard let side else { return -1 }
        if let known = sides.firstIndex(of: side) { return known }
        sides.append(side)
        return sides.count - 1
      }
      return (number(neighbours.before, &beforeSides), number(neighbours.after, &afterSides))
    }

    /// Finishes the tables.
    ///
    /// Call this once all sides are known.
    mutating func distinguish() {
      func answers(_ sides: [Side]) -> (answers: [[Bool]], ofClass: [Int], nothing: Int) {
        let members = sides.map { classes.members(of: $0.scalars) }
        var answers: [[Bool]] = []
        func number(_ answer: [Bool]) -> Int {
          if let known = answers.firstIndex(of: answer) { return known }
          answers.append(answer)
          return answers.count - 1
        }
        let nothing = number(sides.map(\.orNothing))
        let ofClass = (0..<classes.count).map { c in number(members.map { $0[c] }) }
        return (answers, ofClass, nothing)
      }
      (beforeAnswers, beforeOfClass, nothingBefore) = answers(beforeSides)
      (afterAnswers, afterOfClass, nothingAfter) = answers(afterSides)
    }

    func allow(_ before: Int, _ after: Int, _ sides: (before: Int, after: Int)) -> Bool {
      (sides.before < 0 || beforeAnswers[before][sides.before])
        && (sides.after < 0 || afterAnswers[after][sides.after])
    }
  }

  /// An expression as a graph (Thompson's construction).
  private struct Program {
    enum Node {
      case scalar(Int, Int32)
      case split([Int32])
      case place(before: Int, after: Int, Int32)
      case accept
    }

    static let largest = 200_000
    private var nodes: [Node] = [.accept]
    /// The classes that each set holds.
    private var members: [[Bool]] = []
    // Optional copies of a part belong to one family: each place has a twin in every copy, and the
    // copy with the most copies still to come matches everything that the others match. So only the
    // place with the highest rank in a family counts, which turns such repetitions into counters.
    private var families: [Int32] = []
    private var ranks: [Int32] = []
    private var familyCount: Int32 = 0
    // Which places have been seen, and in which round.
    private var seen: [Int] = []
    private var best: [Int32] = []
    private var round = 0
    /// Steps taken so far.
    private(set) var work = 0

    init(
      _ expression: Expression, _ classes: ScalarClasses, _ sides: inout Sides
    ) throws(ConstraintError) {
      // Node 0 is the entrance.
      nodes = [.split([]), .accept]
      families = [-1, -1]
      ranks = [0, 0]
      var sets: [ScalarSet: Int] = [:]
      let entrance = try compile(expression, to: 1, classes, &sets, &sides)
      nodes[0] = .split([entrance])
      seen = [Int](repeating: 0, count: nodes.count)
      best = [Int32](repeating: -1, count: Int(familyCount))
    }

    private mutating func add(_ node: Node) throws(ConstraintError) -> Int32 {
      guard nodes.count < Self.largest else {
        throw ConstraintError("it has more than \(Self.largest) parts when it is written out")
      }
      nodes.append(node)
      families.append(-1)
      ranks.append(0)
      return Int32(nodes.count - 1)
    }

    /// Compiles nodes that match the expression and then go on to `next`; returns their entrance.
    private mutating func compile(
      _ expression: Expression, to next: Int32, _ classes: ScalarClasses,
      _ sets: inout [ScalarSet: Int], _ sides: inout Sides
    ) throws(ConstraintError) -> Int32 {
      switch expression {
      case .scalar(let set):
        if sets[set] == nil {
          sets[set] = members.count
          members.append(classes.members(of: set))
        }
        return try add(.scalar(sets[set] ?? 0, next))
      case .sequence(let parts):
        var entrance = next
        for part in parts.reversed() {
          entrance = try compile(part, to: entrance, classes, &sets, &sides)
        }
        return entrance
      case .anyOf(let parts):
        var entrances: [Int32] = []
        for part in parts { entrances.append(try compile(part, to: next, classes, &sets, &sides)) }
        return try add(.split(entrances))
      case .place(let neighbours):
        let (before, after) = sides.number(neighbours)
        return try add(.place(before: before, after: after, next))
      case .repeated(let part, let from, let to):
        var entrance = next
        if let to {
          var first = familyCount
          for copy in from..<max(from, to) {
            let begin = nodes.count
            let inner = try compile(part, to: entrance, classes, &sets, &sides)
            entrance = try add(.split([inner, next]))
            if copy == from {
              first = familyCount
              familyCount += Int32(nodes.count - begin)
            }
            for place in begin..<nodes.count where families[place] < 0 {
              families[place] = first + Int32(place - begin)
              ranks[place] = Int32(copy - from)
            }
          }
        } else {
          let loop = try add(.split([]))
          let inner = try compile(part, to: loop, classes, &sets, &sides)
          nodes[Int(loop)] = .split([inner, next])
          entrance = loop
        }
        for _ in 0..<from {
          entrance = try compile(part, to: entrance, classes, &sets, &sides)
        }
        return entrance
      }
    }

    // The reading places that are reached without reading, ascending. Sets `found` if the end of
    // the expression is reached.
    mutating func closure(
      _ from: [Int32], _ before: Int, _ after: Int, _ sides: Sides, found: inout Bool
    ) -> [Int32] {
      round += 1
      var stack = from
      for place in from { seen[Int(place)] = round }
      var reached: [Int32] = []
      while let place = stack.popLast() {
        work += 1
        switch nodes[Int(place)] {
        case .scalar: reached.append(place)
        case .accept: found = true
        case .split(let branches):
          work += branches.count
          for branch in branches where seen[Int(branch)] != round {
            seen[Int(branch)] = round
            stack.append(branch)
          }
        case .place(let own, let other, let next):
          if sides.allow(before, after, (own, other)), seen[Int(next)] != round {
            seen[Int(next)] = round
            stack.append(next)
          }
        }
      }
      reached.sort()
      return reached
    }

    /// The places after a scalar of a class is read.
    mutating func step(_ places: [Int32], _ c: Int) -> [Int32] {
      round += 1
      work += places.count
      var next: [Int32] = []
      for place in places {
        if case .scalar(let set, let behind) = nodes[Int(place)], members[set][c],
          seen[Int(behind)] != round
        {
          seen[Int(behind)] = round
          next.append(behind)
        }
      }
      guard next.count > 1 else { return next }
      for place in next where families[Int(place)] >= 0 {
        let family = Int(families[Int(place)])
        best[family] = max(best[family], ranks[Int(place)])
      }
      let kept = next.filter { place in
        let family = families[Int(place)]
        return family < 0 || best[Int(family)] == ranks[Int(place)]
      }
      for place in next where families[Int(place)] >= 0 { best[Int(families[Int(place)])] = -1 }
      work += 4 * next.count
      return kept.sorted()
    }
  }
}
