// Licensed under the Apache License, Version 2.0.

/// Makes the automaton of texts in which none of some runs of words occurs.
///
/// A state is what the last words are a beginning of (Aho and Corasick 1975) and how far the word
/// that is being read has come. What a token does depends on the latter alone, so it is asked once
/// for each place in a word, and tokens that begin with a space do the same everywhere once they
/// have closed the word before them.
struct NovelAutomaton {
  /// How far the word that is being read has come.
  private struct Place: Hashable {
    enum Kind { case between, besideSpaceless, signs, word }
    var kind = Kind.between
    /// The spelling read so far, as a node of the words' tree; -1 is no word of the runs.
    var node: Int32 = 0
    /// The spelling up to the last letter.
    var core: Int32 = 0
    /// Bytes of a scalar that has begun.
    var pending: [UInt8] = []
  }

  /// What a token does at a place.
  private struct Effect: Hashable {
    /// The words that it completes; -1 is none of the runs'.
    var words: [Int32]
    var place: Int32
  }

  /// Token readings: about a second.
  private static let largestWork = 4_000_000

  private var spelling: [UInt64: Int32] = [:]
  private var wordAt: [Int32] = [-1]
  private var wordNumbers: [String: Int32] = [:]
  /// The words whose spelling begins as a node's, by their numbers, which are in alphabetical order.
  private var wordsFrom: [ClosedRange<Int32>] = [0...Int32.max]
  /// The runs as a tree of words.
  private var following: [UInt64: Int32] = [:]
  private var depths: [Int] = [0]
  private var failures: [Int32] = [0]
  /// For each node the words that go on with it, ascending.
  private var continuations: [[Int32]] = [[]]
  private let length: Int
  private var places: [Place] = []
  private var placeNumbers: [Place: Int32] = [:]

  private init(_ runs: Set<[String]>) {
    length = runs.first?.count ?? 0
    var nodes: [(parent: Int32, word: Int32)] = [(0, -1)]
    let words = Set(runs.joined()).sorted {
      $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars)
    }
    for word in words { insert(word) }
    for run in runs.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      var node: Int32 = 0
      for word in run {
        let number = wordNumbers[word] ?? -1
        let key = Self.key(node, UInt32(bitPattern: number))
        if following[key] == nil {
          following[key] = Int32(nodes.count)
          nodes.append((node, number))
          depths.append(depths[Int(node)] + 1)
          continuations.append([])
          continuations[Int(node)].append(number)
        }
        node = following[key] ?? 0
      }
    }
    for node in continuations.indices { continuations[node].sort() }
    // Shorter beginnings first: where a node falls back to is the longest other one.
    failures = [Int32](repeating: 0, count: nodes.count)
    for node in nodes.indices.dropFirst().sorted(by: { depths[$0] < depths[$1] })
    where depths[node] > 1 {
      let (parent, word) = nodes[node]
      failures[node] = next(failures[Int(parent)], word)
    }
  }

  private static func key(_ node: Int32, _ value: UInt32) -> UInt64 {
    UInt64(UInt32(bitPattern: node)) << 32 | UInt64(value)
  }

  private mutating func insert(_ word: String) {
    let number = Int32(wordNumbers.count)
    wordNumbers[word] = number
    var node: Int32 = 0
    for scalar in word.unicodeScalars {
      let key = Self.key(node, scalar.value)
      if spelling[key] == nil {
        spelling[key] = Int32(wordAt.count)
        wordAt.append(-1)
        wordsFrom.append(number...number)
      }
      node = spelling[key] ?? 0
      wordsFrom[Int(node)] = wordsFrom[Int(node)].lowerBound...number
    }
    wordAt[Int(node)] = number
  }

  /// The part of a history that still matters in a word: what no word that can come of it goes on
  /// with is forgotten, which keeps states few.
  private func relevant(_ history: Int32, _ place: Place) -> Int32 {
    guard place.kind == .word else { return history }
    let complete = place.core < 0 ? -1 : wordAt[Int(place.core)]
    var history = history
    while history != 0 {
      let all = continuations[Int(history)]
      if complete >= 0, following[Self.key(history, UInt32(bitPattern: complete))] != nil { break }
      if place.node >= 0 {
        let wanted = wordsFrom[Int(place.node)]
        var low = 0
        var high = all.count
        while low < high {
          let middle = (low + high) / 2
          if all[middle] < wanted.lowerBound { low = middle + 1 } else { high = middle }
        }
        if low < all.count, all[low] <= wanted.upperBound { break }
      }
      history = failures[Int(history)]
    }
    return history
  }

  /// The longest beginning of a run that the words end with after one more word.
  private func next(_ node: Int32, _ word: Int32) -> Int32 {
    if word < 0 { return 0 }
    var node = node
    while true {
      if let next = following[Self.key(node, UInt32(bitPattern: word))] { return next }
      if node == 0 { return 0 }
      node = failures[Int(node)]
    }
  }

  /// The history after some words; `nil` where a run occurs.
  private func next(_ history: Int32, _ words: [Int32]) -> Int32? {
    var history = history
    for word in words {
      history = next(history, word)
      if depths[Int(history)] == length { return nil }
    }
    return history
  }

  private mutating func number(_ place: Place) -> Int32 {
    if let known = placeNumbers[place] { return known }
    let number = Int32(places.count)
    placeNumbers[place] = number
    places.append(place)
    return number
  }

  private func spelled(_ node: Int32, _ scalar: Unicode.Scalar) -> Int32 {
    node < 0 ? -1 : spelling[Self.key(node, scalar.value)] ?? -1
  }

  /// The word that ends where a space follows, if one does.
  private func closed(_ place: Place) -> [Int32] {
    func word(_ node: Int32) -> Int32 { node < 0 ? -1 : wordAt[Int(node)] }
    switch place.kind {
    case .between, .besideSpaceless: return []
    case .signs: return [word(place.node)]
    case .word: return [word(place.core)]
    }
  }

  private func read(_ scalar: Unicode.Scalar, _ place: inout Place, _ words: inout [Int32]) {
    switch ScalarKind(scalar) {
    case .space:
      words += closed(place)
      place = Place()
    case .spaceless:
      // Signs before it are no word.
      if place.kind == .word { words += closed(place) }
      let node = spelled(0, scalar)
      words.append(node < 0 ? -1 : wordAt[Int(node)])
      place = Place(kind: .besideSpaceless)
    case .letter:
      let node = spelled(place.kind == .word ? place.node : 0, scalar)
      place = Place(kind: .word, node: node, core: node)
    case .other:
      switch place.kind {
      case .between: place = Place(kind: .signs, node: spelled(0, scalar))
      case .besideSpaceless: break
      case .signs, .word: place.node = spelled(place.node, scalar)
      }
    }
  }

  /// What some bytes do; `nil` where they are no UTF-8.
  private mutating func effect(of bytes: ArraySlice<UInt8>, at start: Place) -> Effect? {
    var place = start
    var words: [Int32] = []
    var pending = place.pending
    place.pending = []
    for byte in bytes {
      pending.append(byte)
      let first = pending[0]
      let count = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
      guard count > 0 else { return nil }
      guard pending.count == count else { continue }
      guard let scalar = String(validating: pending, as: UTF8.self)?.unicodeScalars.first else {
        return nil
      }
      read(scalar, &place, &words)
      pending = []
    }
    place.pending = pending
    return Effect(words: words, place: number(place))
  }

  /// The automaton over a vocabulary.
  ///
  /// - Throws: `ConstraintError` where it would be too large.
  static func automaton(
    without runs: Set<[String]>, _ tree: VocabularyTree
  ) throws(ConstraintError) -> TokenAutomaton {
    var maker = NovelAutomaton(runs)
    return try maker.automaton(tree)
  }

  private mutating func automaton(_ tree: VocabularyTree) throws(ConstraintError) -> TokenAutomaton
  {
    let vocabulary = tree.vocabulary
    let tokens = (0..<vocabulary.count).filter { tree.isDrawable[$0] }
    func bytes(_ token: Int, isFirst: Bool) -> [UInt8] {
      var bytes: [UInt8] = []
      vocabulary.appendBytes(of: Token(token), isFirst: isFirst, to: &bytes)
      return bytes
    }
    let between = number(Place())
    let later = tokens.map { bytes($0, isFirst: false) }
    let first = vocabulary.spacing == .none ? later : tokens.map { bytes($0, isFirst: true) }
    let isSpaced = later.map { $0.first == 0x20 }
    let atBeginning = first.map { effect(of: $0[...], at: Place()) }
    let atSpace = later.map { effect(of: $0[...], at: Place()) }
    // Tokens are of one class while every place makes the same of them.
    var classOf = [Int32](repeating: 0, count: tokens.count)
    var classCount = 1
    func split(_ effects: [Effect?]) {
      struct Bucket: Hashable {
        var c: Int32
        var effect: Effect?
      }
      var buckets: [Bucket: Int32] = [:]
      for i in tokens.indices {
        let bucket = Bucket(c: classOf[i], effect: effects[i])
        let number = buckets[bucket] ?? Int32(buckets.count)
        buckets[bucket] = number
        classOf[i] = number
      }
      classCount = buckets.count
    }
    split(atBeginning)
    split(zip(atSpace, isSpaced).map { $0 ?? Effect(words: [], place: $1 ? -1 : -2) })
    split(isSpaced.map { Effect(words: [], place: $0 ? 1 : 0) })
    let glued = tokens.indices.filter { !isSpaced[$0] }
    var work = 0
    var done = 0
    // Classes are split after all places are known: what they make of the tokens that are not led
    // by a space.
    var effects: [[Effect?]] = []
    while done < places.count {
      work += glued.count + 1
      guard work <= Self.largestWork else { throw tooLarge(places.count) }
      let place = places[done]
      done += 1
      effects.append(glued.map { effect(of: later[$0][...], at: place) })
    }
    for row in effects {
      var numbers: [Effect?: Int32] = [:]
      var buckets: [UInt64: Int32] = [:]
      // Spaced tokens keep their classes among themselves, behind those of the glued ones.
      for (i, effect) in zip(glued, row) {
        let number = numbers[effect] ?? Int32(numbers.count)
        numbers[effect] = number
        let key = Self.key(classOf[i], UInt32(number))
        let bucket = buckets[key] ?? Int32(classCount + buckets.count)
        buckets[key] = bucket
        classOf[i] = bucket
      }
      classCount += buckets.count
    }
    var renumbered: [Int32: Int32] = [:]
    var samples: [Int] = []
    for i in tokens.indices {
      if renumbered[classOf[i]] == nil {
        renumbered[classOf[i]] = Int32(samples.count)
        samples.append(i)
      }
      classOf[i] = renumbered[classOf[i]] ?? 0
    }
    let gluedPlace = Dictionary(uniqueKeysWithValues: glued.enumerated().map { ($1, $0) })
    // One more class for what is never drawn.
    let width = samples.count + 1
    var classes = [UInt32](repeating: UInt32(samples.count), count: vocabulary.count)
    for (i, token) in tokens.enumerated() { classes[token] = UInt32(classOf[i]) }

    var index: [UInt64: UInt32] = [:]
    var states: [(history: Int32, place: Int32)] = []
    func state(_ long: Int32, _ place: Int32) -> UInt32 {
      let history = relevant(long, places[Int(place)])
      let key = Self.key(history, UInt32(bitPattern: place))
      if let known = index[key] { return known }
      index[key] = UInt32(states.count)
      states.append((history, place))
      return UInt32(states.count - 1)
    }
    // The start is a state of its own: only there a token is the text's first.
    states.append((0, between))
    var transitions: [UInt32] = []
    var finals: [Double] = []
    while finals.count < states.count {
      let (size, overflows) = states.count.multipliedReportingOverflow(by: width)
      guard !overflows, size <= TokenAutomaton.largestTable / 4 else {
        throw tooLarge(states.count)
      }
      let isStart = finals.isEmpty
      let (history, placeNumber) = states[finals.count]
      let place = places[Int(placeNumber)]
      // After a closed word, tokens led by a space do what they do between words.
      let behind = place.pending.isEmpty ? next(history, closed(place)) : nil
      for i in samples {
        var target: UInt32 = TokenAutomaton.dead
        if isStart {
          if let effect = atBeginning[i], let history = next(0, effect.words) {
            target = state(history, effect.place)
          }
        } else if isSpaced[i] {
          if let behind, let effect = atSpace[i], let history = next(behind, effect.words) {
            target = state(history, effect.place)
          }
        } else if let column = gluedPlace[i], let effect = effects[Int(placeNumber)][column],
          let history = next(history, effect.words)
        {
          target = state(history, effect.place)
        }
        transitions.append(target)
      }
      transitions.append(TokenAutomaton.dead)
      finals.append(behind == nil ? -.infinity : 0)
    }
    return TokenAutomaton(
      start: 0, classes: classes, classCount: width, transitions: transitions, finalWeights: finals
    ).minimized()
  }

  private func tooLarge(_ states: Int) -> ConstraintError {
    ConstraintError(
      "the file has too many runs of words (\(depths.filter { $0 == length }.count)) for an automaton "
        + "over this vocabulary. Take a shorter text")
  }
}
