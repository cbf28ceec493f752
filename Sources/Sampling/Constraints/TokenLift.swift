// Licensed under the Apache License, Version 2.0.

/// A vocabulary as a tree of bytes, so that shared beginnings of tokens are read once.
///
/// There is one tree for the first token of a text and one for all others, because a token may add
/// other bytes at the start of a text.
public struct VocabularyTree: Sendable {
  struct Tree: Sendable {
    /// Byte, first child, next sibling; node 0 is the root.
    var bytes: [UInt8] = [0]
    var children: [Int32] = [-1]
    var siblings: [Int32] = [-1]
    /// The tokens that end at a node, as a linked list through the tokens.
    var tokens: [Int32] = [-1]
    var nextToken: [Int32]

    init(_ spellings: [(token: Int, bytes: [UInt8])], vocabularyCount: Int) {
      nextToken = [Int32](repeating: -1, count: vocabularyCount)
      // Each sorted spelling shares its beginning with the one before.
      let sorted = spellings.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
      var path: [Int32] = [0]
      var before: [UInt8] = []
      for (token, spelling) in sorted {
        var shared = 0
        while shared < before.count, shared < spelling.count, before[shared] == spelling[shared] {
          shared += 1
        }
        path.removeLast(path.count - shared - 1)
        for byte in spelling[shared...] {
          let node = Int32(bytes.count)
          bytes.append(byte)
          children.append(-1)
          siblings.append(children[Int(path[path.count - 1])])
          tokens.append(-1)
          children[Int(path[path.count - 1])] = node
          path.append(node)
        }
        let node = Int(path[path.count - 1])
        nextToken[token] = tokens[node]
        tokens[node] = Int32(token)
        before = spelling
      }
    }
  }

  let first: Tree
  let later: Tree
  /// The vocabulary that the tree was made from.
  public let vocabulary: Vocabulary
  let isDrawable: [Bool]

  /// Creates the tree of a vocabulary's drawable tokens.
  public init(_ vocabulary: Vocabulary) {
    self.vocabulary = vocabulary
    let tokens = (0..<vocabulary.count).filter { vocabulary.isDrawable(Token($0)) }
    var flags = [Bool](repeating: false, count: vocabulary.count)
    for token in tokens { flags[token] = true }
    isDrawable = flags
    func tree(isFirst: Bool) -> Tree {
      Tree(
        tokens.map { token in
          var bytes: [UInt8] = []
          vocabulary.appendBytes(of: Token(token), isFirst: isFirst, to: &bytes)
          return (token, bytes)
        }, vocabularyCount: vocabulary.count)
    }
    first = tree(isFirst: true)
    later = vocabulary.spacing == .none ? first : tree(isFirst: false)
  }
}

/// The tokens of a vocabulary, grouped by the classes of their scalars.
///
/// Tokens that no automaton over these classes can tell apart form one atom.
private struct TokenAtoms {
  /// A tree of scalar classes: what follows one beginning of a token.
  struct Tree {
    var classes: [UInt32] = [0]
    var children: [Int32] = [-1]
    var siblings: [Int32] = [-1]
    /// The atoms that end at a node, with the bytes of a scalar that they begin but do not finish.
    var ends: [[(partial: UInt32, atoms: [Int32])]] = [[]]
  }

  /// Where a token begins: whether it is the first of the text, and the bytes of an open scalar.
  struct Beginning: Hashable {
    var isFirst: Bool
    var partial: UInt32
  }

  private(set) var trees: [Beginning: Tree] = [:]
  /// The atom of each token.
  ///
  /// Atom 0 holds tokens that can be read nowhere.
  private(set) var atomOf: [Int32]
  private(set) var count = 1

  init(_ tree: VocabularyTree, _ trie: UTF8Trie) {
    let vocabularyCount = tree.vocabulary.count
    atomOf = [Int32](repeating: 0, count: vocabularyCount)
    let isSplit = tree.vocabulary.spacing != .none
    var waiting = [Beginning(isFirst: isSplit, partial: 0)]
    if isSplit { waiting.append(Beginning(isFirst: false, partial: 0)) }
    var known = Set(waiting)
    // For each beginning, the groups of tokens that end at the same nodes with the same open bytes.
    var groups: [(beginning: Beginning, ends: [(node: Int32, partial: UInt32)], of: [Int32])] = []
    var done = 0
    while done < waiting.count {
      let beginning = waiting[done]
      done += 1
      var made = Tree()
      var ends: [(node: Int32, partial: UInt32)] = []
      var numbers: [UInt64: Int32] = [:]
      var groupOf = [Int32](repeating: -1, count: vocabularyCount)
      let own = beginning.isFirst ? tree.first : tree.later
      var stack: [(node: Int32, place: Int32, partial: UInt32)] = [(0, 0, beginning.partial)]
      while let (node, place, partial) = stack.popLast() {
        var token = own.tokens[Int(node)]
        if token >= 0 {
          let key = UInt64(UInt32(place)) << 32 | UInt64(partial)
          let group = numbers[key] ?? Int32(ends.count)
          if group == ends.count {
            numbers[key] = group
            ends.append((place, partial))
            let next = Beginning(isFirst: false, partial: partial)
            if known.insert(next).inserted { waiting.append(next) }
          }
          while token >= 0 {
            groupOf[Int(token)] = group
            token = own.nextToken[Int(token)]
          }
        }
        var child = own.children[Int(node)]
        while child >= 0 {
          switch trie.step(partial, own.bytes[Int(child)]) {
          case .invalid: break
          case .node(let inner): stack.append((child, place, inner))
          case .scalar(let c): stack.append((child, made.child(of: place, c), 0))
          }
          child = own.siblings[Int(child)]
        }
      }
      trees[beginning] = made
      groups.append((beginning, ends, groupOf))
    }
    // Tokens form one atom if they share a group at every beginning.
    for (_, _, groupOf) in groups {
      var numbers: [UInt64: Int32] = [:]
      for token in 0..<vocabularyCount {
        let key = UInt64(UInt32(atomOf[token])) << 32 | UInt64(UInt32(bitPattern: groupOf[token]))
        let number = numbers[key] ?? Int32(numbers.count)
        numbers[key] = number
        atomOf[token] = number
      }
      count = max(1, numbers.count)
    }
    var members = [Int](repeating: -1, count: count)
    for token in (0..<vocabularyCount).reversed() { members[Int(atomOf[token])] = token }
    for (beginning, ends, groupOf) in groups {
      var atoms = [[Int32]](repeating: [], count: ends.count)
      for (atom, token) in members.enumerated() where token >= 0 && groupOf[token] >= 0 {
        atoms[Int(groupOf[token])].append(Int32(atom))
      }
      for (end, own) in zip(ends, atoms) {
        trees[beginning]?.ends[Int(end.node)].append((end.partial, own))
      }
    }
  }
}

extension TokenAtoms.Tree {
  /// The child of a node for a class; made if it does not exist.
  fileprivate mutating func child(of node: Int32, _ c: UInt32) -> Int32 {
    var child = children[Int(node)]
    while child >= 0 {
      if classes[Int(child)] == c { return child }
      child = siblings[Int(child)]
    }
    let made = Int32(classes.count)
    classes.append(c)
    children.append(-1)
    siblings.append(children[Int(node)])
    ends.append([])
    children[Int(node)] = made
    return made
  }
}

/// A ``ScalarAutomaton`` that reads tokens: a table of states x classes of tokens.
struct TokenTransducer {
  static let largestStateCount = 20_000
  /// The limit on steps through the vocabulary while states are made: about half a second.
  static let largestWork = 60_000_000

  private(set) var classes: [UInt32]
  private(set) var classCount: Int
  /// State x class; state 0 is the start.
  private(set) var transitions: [UInt32]
  private(set) var outputs: [Int32]
  private(set) var isFinal: [Bool]
  private(set) var finalOutputs: [Int32]

  var stateCount: Int { isFinal.count }

  /// Reads whole tokens with an automaton of scalars.
  ///
  /// Tokens that are not drawable get a dead
  /// class.
  ///
  /// - Throws: `ConstraintError` if the table would be too large.
  init(_ automaton: ScalarAutomaton, _ tree: VocabularyTree) throws(ConstraintError) {
    let atoms = TokenAtoms(tree, UTF8Trie(automaton.classes))
    let scalarClasses = automaton.classes.count
    /// A state of the automaton, and where the next token begins.
    struct Key: Hashable {
      var state: UInt32
      var beginning: TokenAtoms.Beginning
    }
    var index: [Key: UInt32] = [:]
    var keys: [Key] = []
    func number(_ state: UInt32, _ isFirst: Bool, _ partial: UInt32) -> UInt32 {
      let key = Key(state: state, beginning: .init(isFirst: isFirst, partial: partial))
      if let known = index[key] { return known }
      index[key] = UInt32(keys.count)
      keys.append(key)
      return UInt32(keys.count - 1)
    }
    _ = number(0, tree.vocabulary.spacing != .none, 0)
    isFinal = []
    finalOutputs = []
    // Classes of atoms, split whenever a state tells members apart. A class that a state creates
    // knows which class it came from.
    var classOf = [UInt32](repeating: 0, count: atoms.count)
    var sizes = [atoms.count]
    var parents: [UInt32] = [0]
    var births = [0]
    /// What a state does with a class. Classes that are not listed are dead.
    struct Entry {
      var c: UInt32
      var next: UInt32
      var output: Int32
    }
    var rows: [[Entry]] = []
    struct Bucket: Hashable {
      var c: UInt32
      var next: UInt32
      var output: Int32
    }
    var touched: [(atom: Int32, next: UInt32, output: Int32)] = []
    var stack: [(node: Int32, state: UInt32, output: Int32)] = []
    var work = 0
    while rows.count < keys.count {
      guard keys.count <= Self.largestStateCount, work <= Self.largestWork,
        Self.fits(keys.count, sizes.count)
      else {
        throw ConstraintError(
          "it needs an automaton that is too large over this vocabulary (more than "
            + "\(min(keys.count, Self.largestStateCount)) states, \(sizes.count) kinds of tokens); "
            + "take smaller counts or fewer '.*'")
      }
      let key = keys[rows.count]
      touched.removeAll(keepingCapacity: true)
      if let own = atoms.trees[key.beginning] {
        stack.append((0, key.state, 0))
        while let (node, state, sum) = stack.popLast() {
          work += 1
          for end in own.ends[Int(node)] {
            let target = number(state, false, end.partial)
            for atom in end.atoms { touched.append((atom, target, sum)) }
          }
          var child = own.children[Int(node)]
          while child >= 0 {
            let place = Int(state) * scalarClasses + Int(own.classes[Int(child)])
            let following = automaton.transitions[place]
            if following != ScalarAutomaton.dead {
              stack.append((child, following, sum + automaton.outputs[place]))
            }
            child = own.siblings[Int(child)]
          }
        }
      }
      work += touched.count
      // Buckets of atoms that were in one class and are treated alike here.
      var buckets: [Bucket: Int] = [:]
      var members: [[Int32]] = []
      var order: [Bucket] = []
      var last: (bucket: Bucket, place: Int)?
      var counts: [UInt32: Int] = [:]
      for (atom, next, output) in touched {
        let bucket = Bucket(c: classOf[Int(atom)], next: next, output: output)
        if bucket != last?.bucket {
          let place = buckets[bucket] ?? order.count
          if place == order.count {
            buckets[bucket] = place
            order.append(bucket)
            members.append([])
          }
          last = (bucket, place)
        }
        if let last { members[last.place].append(atom) }
      }
      for (bucket, own) in zip(order, members) { counts[bucket.c, default: 0] += own.count }
      var row: [Entry] = []
      var kept: Set<UInt32> = []
      for (bucket, own) in zip(order, members) {
        var c = bucket.c
        // If all members of a class are touched, the class goes on as its first bucket.
        let isWhole = counts[c] == sizes[Int(c)]
        if !(isWhole && own.count == sizes[Int(c)]) {
          if isWhole, kept.insert(c).inserted {
            // The others leave it below.
          } else {
            c = UInt32(sizes.count)
            sizes.append(own.count)
            parents.append(bucket.c)
            births.append(rows.count)
            for atom in own { classOf[Int(atom)] = c }
          }
        }
        row.append(Entry(c: c, next: bucket.next, output: bucket.output))
      }
      for (place, bucket) in order.enumerated() where row[place].c != bucket.c {
        sizes[Int(bucket.c)] -= members[place].count
      }
      rows.append(row)
      let isBetweenScalars = key.beginning.partial == 0
      isFinal.append(isBetweenScalars && automaton.isFinal[Int(key.state)])
      finalOutputs.append(isBetweenScalars ? automaton.finalOutputs[Int(key.state)] : 0)
    }
    // Classes are numbered in the order of their first tokens.
    var numbers = [Int32](repeating: -1, count: sizes.count)
    var ids: [UInt32] = []
    classes = atoms.atomOf.map { atom in
      let id = classOf[Int(atom)]
      if numbers[Int(id)] < 0 {
        numbers[Int(id)] = Int32(ids.count)
        ids.append(id)
      }
      return UInt32(numbers[Int(id)])
    }
    classCount = ids.count
    guard Self.fits(rows.count, classCount) else {
      throw ConstraintError(
        "it needs an automaton that is too large over this vocabulary (\(rows.count) states, "
          + "\(classCount) kinds of tokens)")
    }
    transitions = [UInt32](repeating: TokenAutomaton.dead, count: rows.count * classCount)
    outputs = [Int32](repeating: 0, count: rows.count * classCount)
    // Going backwards, each class becomes again what it came from.
    var entries = [Int](repeating: -1, count: sizes.count)
    for state in rows.indices.reversed() {
      for (place, entry) in rows[state].enumerated() { entries[Int(entry.c)] = place }
      for c in 0..<classCount {
        let place = entries[Int(ids[c])]
        if place >= 0 {
          transitions[state * classCount + c] = rows[state][place].next
          outputs[state * classCount + c] = rows[state][place].output
        }
        if births[Int(ids[c])] == state { ids[c] = parents[Int(ids[c])] }
      }
      for entry in rows[state] { entries[Int(entry.c)] = -1 }
    }
  }

  /// Whether a table of this size is small enough.
  private static func fits(_ states: Int, _ classes: Int) -> Bool {
    let (size, overflows) = states.multipliedReportingOverflow(by: classes)
    return !overflows && size <= TokenAutomaton.largestTable
  }

  /// The texts whose count lies in a range.
  func automaton(counting range: ClosedRange<Int>) throws(ConstraintError) -> TokenAutomaton {
    // Without an upper bound, all counts from the lower bound on are alike.
    let isBounded = range.upperBound < Int(Int32.max)
    let most = isBounded ? range.upperBound : range.lowerBound
    let levels = most + 1
    let (rows, overflows) = stateCount.multipliedReportingOverflow(by: levels)
    guard !overflows, rows <= 4_000_000, Self.fits(rows, classCount) else {
      throw ConstraintError(
        "counting up to \(most) needs an automaton that is too large; take a smaller count")
    }
    var next = [UInt32](
      repeating: TokenAutomaton.dead, count: stateCount * levels * classCount)
    var final = [Double](repeating: -.infinity, count: stateCount * levels)
    for state in 0..<stateCount {
      for count in 0...most {
        let row = state * levels + count
        for c in 0..<classCount {
          let target = transitions[state * classCount + c]
          guard target != TokenAutomaton.dead else { continue }
          var sum = count + Int(outputs[state * classCount + c])
          if sum > most {
            if isBounded { continue }
            sum = most
          }
          next[row * classCount + c] = target * UInt32(levels) + UInt32(sum)
        }
        let sum = count + Int(finalOutputs[state])
        if isFinal[state], range.contains(sum) || !isBounded && sum >= range.lowerBound {
          final[row] = 0
        }
      }
    }
    return TokenAutomaton(
      start: 0, classes: classes, classCount: classCount, transitions: next, finalWeights: final
    ).minimized()
  }

  /// The allowed texts; each count adds `weight` nats.
  func automaton(weight: Double = 0) -> TokenAutomaton {
    TokenAutomaton(
      start: 0, classes: classes, classCount: classCount, transitions: transitions,
      weights: weight == 0 ? [] : outputs.map { Double($0) * weight },
      finalWeights: isFinal.indices.map { i in
        isFinal[i] ? Double(finalOutputs[i]) * weight : -.infinity
      }
    ).minimized()
  }
}
