// Licensed under the Apache License, Version 2.0.

/// A set of Unicode scalars, as ascending ranges that do not touch.
public struct ScalarSet: Hashable, Sendable {
  /// The ranges, ascending, with gaps between them.
  public private(set) var ranges: [ClosedRange<UInt32>]

  /// Creates the set from ranges in any order, which may overlap.
  public init(_ ranges: some Sequence<ClosedRange<UInt32>> = []) {
    self.ranges = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = self.ranges.last, range.lowerBound <= last.upperBound &+ 1 {
        self.ranges[self.ranges.count - 1] =
          last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        self.ranges.append(range)
      }
    }
  }

  /// Creates the set from single scalars.
  public init(_ scalars: some Sequence<Unicode.Scalar>) {
    self.init(scalars.map { $0.value...$0.value })
  }

  /// Creates the set of all scalars that have a property.
  ///
  /// - Complexity: asks for every scalar of the assigned planes; some tens of milliseconds.
  public init(where holds: (Unicode.Scalar) -> Bool) {
    var ranges: [ClosedRange<UInt32>] = []
    for value in UInt32(0)...0x10FFFF {
      // Planes 4 to 13 are unassigned; 15 and 16 are for private use.
      if value >= 0x40000 && value < 0xE0000 { continue }
      if value >= 0xE0200 { break }
      guard let scalar = Unicode.Scalar(value), holds(scalar) else { continue }
      if let last = ranges.last, last.upperBound + 1 == value {
        ranges[ranges.count - 1] = last.lowerBound...value
      } else {
        ranges.append(value...value)
      }
    }
    self.ranges = ranges
  }

  /// Every scalar.
  public static let all = ScalarSet([0...0x10FFFF])

  /// All scalars of a kind.
  public static func kind(_ kind: ScalarKind) -> ScalarSet { kinds[Int(kind.rawValue)] }

  private static let kinds: [ScalarSet] = {
    var sets = [[ClosedRange<UInt32>]](repeating: [], count: ScalarKind.allCases.count)
    func add(_ range: ClosedRange<UInt32>, _ kind: ScalarKind) {
      let place = Int(kind.rawValue)
      if let last = sets[place].last, last.upperBound + 1 == range.lowerBound {
        sets[place][sets[place].count - 1] = last.lowerBound...range.upperBound
      } else {
        sets[place].append(range)
      }
    }
    // Beyond plane 1, all assigned scalars of a plane are of one kind.
    for value in UInt32(0)..<0x20000 {
      let scalar = Unicode.Scalar(value)
      add(value...value, scalar.map { ScalarKind($0) } ?? .other)
    }
    add(0x20000...0x3FFFF, .spaceless)
    add(0x40000...0x10FFFF, .other)
    return sets.map { ScalarSet($0) }
  }()

  /// Whether the set has no scalars.
  public var isEmpty: Bool { ranges.isEmpty }

  /// Whether the set contains a scalar value.
  public func contains(_ value: UInt32) -> Bool {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].lowerBound <= value
  }

  /// The scalars that are in either set.
  public func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }

  /// The scalars of this set that are not in the other one.
  public func subtracting(_ other: ScalarSet) -> ScalarSet { intersection(other.complement) }

  /// The scalars that are in exactly one of the two sets.
  public func symmetricDifference(_ other: ScalarSet) -> ScalarSet {
    union(other).subtracting(intersection(other))
  }

  /// All scalars that are not in the set.
  public var complement: ScalarSet {
    var rest: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { rest.append(next...range.lowerBound - 1) }
      next = range.upperBound + 1
    }
    if next <= 0x10FFFF { rest.append(next...0x10FFFF) }
    return ScalarSet(rest)
  }

  /// The scalars that are in both sets.
  public func intersection(_ other: ScalarSet) -> ScalarSet {
    complement.union(other.complement).complement
  }
}

/// A partition of the scalars into classes that an automaton treats alike.
struct ScalarClasses: Sendable {
  /// Ascending lower bounds, starting at 0, each with its class.
  private var bounds: [UInt32]
  private var classes: [UInt32]
  private(set) var count: Int

  /// For UTF-8 lengths of 1 byte and up, the scalars with encodings of that length.
  static let byteCounts: [ScalarSet] = [
    ScalarSet([0...0x7F]), ScalarSet([0x80...0x7FF]), ScalarSet([0x800...0xFFFF]),
    ScalarSet([0x10000...0x10FFFF]),
  ]

  /// The coarsest partition that separates the given sets.
  init(separating sets: Set<ScalarSet>) {
    // Sets have no order. Sorting gives the classes the same numbers in every run.
    let all = sets.sorted { a, b in
      a.ranges.lexicographicallyPrecedes(b.ranges) {
        ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound)
      }
    }
    var edges: [(place: UInt32, set: Int)] = []
    for (i, set) in all.enumerated() {
      for range in set.ranges {
        edges.append((range.lowerBound, i))
        if range.upperBound < 0x10FFFF { edges.append((range.upperBound + 1, i)) }
      }
    }
    edges.sort { $0.place < $1.place }
    var members = [UInt64](repeating: 0, count: (all.count + 63) / 64)
    var index: [[UInt64]: UInt32] = [:]
    var bounds: [UInt32] = []
    var classes: [UInt32] = []
    var i = 0
    var place: UInt32 = 0
    while true {
      while i < edges.count, edges[i].place == place {
        members[edges[i].set >> 6] ^= 1 << UInt64(edges[i].set & 63)
        i += 1
      }
      let number = index[members] ?? UInt32(index.count)
      index[members] = number
      if classes.last != number {
        bounds.append(place)
        classes.append(number)
      }
      guard i < edges.count else { break }
      place = edges[i].place
    }
    self.bounds = bounds
    self.classes = classes
    count = index.count
  }

  /// The partition in which classes with the same number are merged.
  func merged(_ numbers: [UInt32], count: Int) -> ScalarClasses {
    var merged = self
    merged.classes = classes.map { numbers[Int($0)] }
    merged.count = count
    return merged
  }

  /// One scalar of each class.
  var samples: [UInt32] {
    var samples = [UInt32](repeating: 0, count: count)
    for (bound, number) in zip(bounds, classes).reversed() { samples[Int(number)] = bound }
    return samples
  }

  func index(of value: UInt32) -> UInt32 { classes[interval(of: value)] }

  /// The class of all scalars in a range; `nil` if they have several.
  func index(of range: ClosedRange<UInt32>) -> UInt32? {
    let first = interval(of: range.lowerBound)
    let last = interval(of: range.upperBound)
    return (first...last).allSatisfy { classes[$0] == classes[first] } ? classes[first] : nil
  }

  /// The classes whose scalars are in a set.
  ///
  /// The partition must separate the set.
  func members(of set: ScalarSet) -> [Bool] {
    var members = [Bool](repeating: false, count: count)
    for (bound, number) in zip(bounds, classes) where set.contains(bound) {
      members[Int(number)] = true
    }
    return members
  }

  private func interval(of value: UInt32) -> Int {
    var low = 0
    var high = bounds.count
    while low < high {
      let middle = (low + high) / 2
      if bounds[middle] <= value { low = middle + 1 } else { high = middle }
    }
    return low - 1
  }
}
