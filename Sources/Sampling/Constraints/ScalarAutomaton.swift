// Licensed under the Apache License, Version 2.0.

/// A constraint that has no automaton of bearable size, or none at all: why, as a sentence.
public struct ConstraintError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The sentence without its full stop.
  public let description: String

  /// An error.
  public init(_ description: String) { self.description = description }
}

/// A deterministic automaton over classes of scalars that may count what it finds.
struct ScalarAutomaton: Sendable {
  static let dead = UInt32.max
  /// What no constraint needs in earnest, and what every machine holds.
  static let largestStateCount = 100_000

  let classes: ScalarClasses
  /// State x class, row by row; the start is state 0.
  var transitions: [UInt32] = []
  /// State x class: how much reading the scalar adds to the count.
  var outputs: [Int32] = []
  /// Whether the text may end in the state, and what its end adds to the count.
  var isFinal: [Bool] = []
  var finalOutputs: [Int32] = []

  var stateCount: Int { isFinal.count }

  /// The texts that match an expression from beginning to end.
  init(matching expression: Expression) throws(ConstraintError) {
    try self.init([expression], .whole)
  }

  /// Any text; the count is that of the expression's occurrences.
  ///
  /// - Parameters:
  ///   - expression: what is looked for; empty matches do not count.
  ///   - mayOverlap: whether every place where an occurrence ends counts, or the search begins
  ///     anew behind each.
  /// - Throws: `ConstraintError` where it would be too large.
  init(countingOccurrencesOf expression: Expression, mayOverlap: Bool) throws(ConstraintError) {
    try self.init([expression], mayOverlap ? .overlapping : .apart)
  }

  /// The texts in which occurrences of expressions follow one another without overlap.
  init(inOrder expressions: [Expression]) throws(ConstraintError) {
    try self.init(expressions, .inOrder)
  }

  /// Any text; the count is that of its scalars, or of their bytes.
  init(countingBytes: Bool) {
    classes = ScalarClasses(separating: [])
    transitions = [UInt32](repeating: 0, count: classes.count)
    outputs = classes.byteCounts.map { countingBytes ? Int32($0) : 1 }
    isFinal = [true]
    finalOutputs = [0]
  }

  private enum Mode { case whole, overlapping, apart, inOrder }

  /// Places of the compiled expression that scalars were read up to, what stood before, and which
  /// of several expressions is looked for.
  private struct Key: Hashable {
    var nodes: [Int32]
    var before: ScalarKind?
    var stage: Int
  }

  private init(_ expressions: [Expression], _ mode: Mode) throws(ConstraintError) {
    classes = ScalarClasses(separating: expressions.flatMap(\.sets))
    var programs: [Program] = []
    for expression in expressions { programs.append(try Program(expression, classes)) }
    var index: [Key: UInt32] = [:]
    var queue: [Key] = []
    func number(_ key: Key) -> UInt32 {
      if let known = index[key] { return known }
      let next = UInt32(queue.count)
      index[key] = next
      queue.append(key)
      return next
    }
    // While searching, the beginning of an occurrence is at every place and not in the key.
    let first: [Int32] = mode == .whole ? [0] : []
    _ = number(Key(nodes: first, before: nil, stage: 0))
    var done = 0
    while done < queue.count {
      guard queue.count <= Self.largestStateCount else {
        throw ConstraintError(
          "it needs an automaton of more than \(Self.largestStateCount) states")
      }
      let key = queue[done]
      done += 1
      if key.stage == programs.count {
        // Everything was found in order: any rest will do.
        for _ in 0..<classes.count {
          transitions.append(number(Key(nodes: [], before: nil, stage: key.stage)))
          outputs.append(0)
        }
        isFinal.append(true)
        finalOutputs.append(0)
        continue
      }
      // What follows matters by its kind alone until it is read.
      var prepared: [ScalarKind?: (places: [Int32], stage: Int, found: Bool)] = [:]
      func prepare(_ after: ScalarKind?) -> (places: [Int32], stage: Int, found: Bool) {
        if let known = prepared[after] { return known }
        let closed = programs[key.stage].closure(key.nodes, key.before, after)
        let found = closed.contains(programs[key.stage].accept)
        var result = (places: closed, stage: key.stage, found: found)
        if mode != .whole {
          if found, mode == .inOrder {
            result.stage += 1
            result.places = []
          } else if found, mode == .apart {
            result.places = []
          }
          if result.stage < programs.count {
            let program = programs[result.stage]
            let start = program.closure([0], key.before, after)
            result.places = Array(Set(result.places).union(start)).sorted()
          }
        }
        prepared[after] = result
        return result
      }
      for c in 0..<classes.count {
        let (places, stage, found) = prepare(classes.kinds[c])
        if stage == programs.count {
          transitions.append(number(Key(nodes: [], before: nil, stage: stage)))
          outputs.append(0)
          continue
        }
        let next = programs[stage].step(places, c)
        if mode == .whole && next.isEmpty {
          transitions.append(Self.dead)
          outputs.append(0)
          continue
        }
        transitions.append(
          number(Key(nodes: next, before: classes.kinds[c], stage: stage)))
        outputs.append(found && mode != .whole && mode != .inOrder ? 1 : 0)
      }
      let (_, stage, found) = prepare(nil)
      switch mode {
      case .whole: isFinal.append(found)
      case .inOrder: isFinal.append(stage == programs.count)
      case .overlapping, .apart: isFinal.append(true)
      }
      finalOutputs.append(found && (mode == .overlapping || mode == .apart) ? 1 : 0)
    }
  }

  /// An expression as a graph: Thompson's construction.
  private struct Program {
    enum Node {
      case scalar([Bool], Int32)
      case split([Int32])
      case place(Expression.Neighbours, Int32)
      case accept
    }

    static let largest = 200_000
    var nodes: [Node] = [.accept]
    var accept: Int32 = 0

    init(_ expression: Expression, _ classes: ScalarClasses) throws(ConstraintError) {
      // Node 0 is the entrance.
      nodes = [.split([]), .accept]
      accept = 1
      var members: [ScalarSet: [Bool]] = [:]
      let entrance = try compile(expression, to: 1, classes, &members)
      nodes[0] = .split([entrance])
    }

    private mutating func add(_ node: Node) throws(ConstraintError) -> Int32 {
      guard nodes.count < Self.largest else {
        throw ConstraintError("it has more than \(Self.largest) parts when it is written out")
      }
      nodes.append(node)
      return Int32(nodes.count - 1)
    }

    /// Nodes that match the expression and go on to `next`: their entrance.
    private mutating func compile(
      _ expression: Expression, to next: Int32, _ classes: ScalarClasses,
      _ members: inout [ScalarSet: [Bool]]
    ) throws(ConstraintError) -> Int32 {
      switch expression {
      case .scalar(let set):
        let known = members[set] ?? classes.members(of: set)
        members[set] = known
        return try add(.scalar(known, next))
      case .sequence(let parts):
        var entrance = next
        for part in parts.reversed() {
          entrance = try compile(part, to: entrance, classes, &members)
        }
        return entrance
      case .anyOf(let parts):
        var entrances: [Int32] = []
        for part in parts { entrances.append(try compile(part, to: next, classes, &members)) }
        return try add(.split(entrances))
      case .place(let neighbours):
        return try add(.place(neighbours, next))
      case .repeated(let part, let from, let to):
        var entrance = next
        if let to {
          for _ in from..<max(from, to) {
            let inner = try compile(part, to: entrance, classes, &members)
            entrance = try add(.split([inner, next]))
          }
        } else {
          let loop = try add(.split([]))
          let inner = try compile(part, to: loop, classes, &members)
          nodes[Int(loop)] = .split([inner, next])
          entrance = loop
        }
        for _ in 0..<from { entrance = try compile(part, to: entrance, classes, &members) }
        return entrance
      }
    }

    /// The places reached without reading, those that read or accept: ascending.
    func closure(
      _ from: [Int32], _ before: ScalarKind?, _ after: ScalarKind?
    ) -> [Int32] {
      var seen = Set(from)
      var stack = from
      var reached: [Int32] = []
      while let place = stack.popLast() {
        switch nodes[Int(place)] {
        case .scalar, .accept: reached.append(place)
        case .split(let branches):
          for branch in branches where seen.insert(branch).inserted { stack.append(branch) }
        case .place(let neighbours, let next):
          if neighbours.allows(before, after), seen.insert(next).inserted { stack.append(next) }
        }
      }
      return reached.sorted()
    }

    /// The places behind a scalar of a class.
    func step(_ places: [Int32], _ c: Int) -> [Int32] {
      var next: Set<Int32> = []
      for place in places {
        if case .scalar(let members, let behind) = nodes[Int(place)], members[c] {
          next.insert(behind)
        }
      }
      return next.sorted()
    }
  }
}
