// Licensed under the Apache License, Version 2.0.

/// A vocabulary as a tree of bytes, so that what tokens have in common is read once.
///
/// One tree for the first token of a text and one for the others, since they may add other bytes.
public struct VocabularyTree: Sendable {
  struct Tree: Sendable {
    /// Byte, first child, next sibling; node 0 is the root.
    var bytes: [UInt8] = [0]
    var children: [Int32] = [-1]
    var siblings: [Int32] = [-1]
    /// Tokens that end at a node, as a linked list through the tokens.
    var tokens: [Int32] = [-1]
    var nextToken: [Int32]

    init(_ spellings: [(token: Int, bytes: [UInt8])], vocabularyCount: Int) {
      nextToken = [Int32](repeating: -1, count: vocabularyCount)
      // Sorted spellings share their beginnings with the one before.
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
  /// The vocabulary.
  public let vocabulary: Vocabulary
  let isDrawable: [Bool]

  /// The tree of a vocabulary's drawable tokens.
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

/// A ``ScalarAutomaton`` that reads tokens: states x classes of tokens that it treats alike.
struct TokenTransducer {
  var classes: [UInt32]
  var classCount: Int
  /// State x class; state 0 is the start.
  var transitions: [UInt32]
  var outputs: [Int32]
  var isFinal: [Bool]
  var finalOutputs: [Int32]

  var stateCount: Int { isFinal.count }

  /// Reads whole tokens with an automaton of scalars; the class of what is not drawable is dead.
  init(_ automaton: ScalarAutomaton, _ tree: VocabularyTree) throws(ConstraintError) {
    let trie = UTF8Trie(automaton.classes)
    let scalarClasses = automaton.classes.count
    let vocabularyCount = tree.vocabulary.count
    /// A state of the automaton, the bytes of a scalar begun, and whether the text is empty yet.
    struct Key: Hashable {
      var state: UInt32
      var node: UInt32
      var isFirst: Bool
    }
    var index: [Key: UInt32] = [:]
    var keys: [Key] = []
    func number(_ key: Key) -> UInt32 {
      if let known = index[key] { return known }
      index[key] = UInt32(keys.count)
      keys.append(key)
      return UInt32(keys.count - 1)
    }
    _ = number(Key(state: 0, node: 0, isFirst: tree.vocabulary.spacing != .none))
    classes = [UInt32](repeating: 0, count: vocabularyCount)
    classCount = 1
    isFinal = []
    finalOutputs = []
    // Rows over the classes of their time, with what each class was part of before.
    var rows: [(next: [UInt32], output: [Int32], before: [UInt32])] = []
    var next = [UInt32](repeating: 0, count: vocabularyCount)
    var output = [Int32](repeating: 0, count: vocabularyCount)
    var stack: [(node: Int32, state: UInt32, partial: UInt32, output: Int32)] = []
    while rows.count < keys.count {
      let key = keys[rows.count]
      guard rows.count < 20_000 else {
        throw ConstraintError("it needs an automaton of more than 20000 states over the vocabulary")
      }
      for i in 0..<vocabularyCount {
        next[i] = TokenAutomaton.dead
        output[i] = 0
      }
      let own = key.isFirst ? tree.first : tree.later
      stack.append((0, key.state, key.node, 0))
      while let (node, state, partial, sum) = stack.popLast() {
        var token = own.tokens[Int(node)]
        if token >= 0 {
          let target = number(Key(state: state, node: partial, isFirst: false))
          while token >= 0 {
            next[Int(token)] = target
            output[Int(token)] = sum
            token = own.nextToken[Int(token)]
          }
        }
        var child = own.children[Int(node)]
        while child >= 0 {
          switch trie.step(partial, own.bytes[Int(child)]) {
          case .invalid: break
          case .node(let inner): stack.append((child, state, inner, sum))
          case .scalar(let c):
            let place = Int(state) * scalarClasses + Int(c)
            let following = automaton.transitions[place]
            if following != ScalarAutomaton.dead {
              stack.append((child, following, 0, sum + automaton.outputs[place]))
            }
          }
          child = own.siblings[Int(child)]
        }
      }
      // Tokens stay in one class as long as every state so far treats them alike.
      struct Column: Hashable {
        var before: UInt32
        var next: UInt32
        var output: Int32
      }
      var columns: [Column: UInt32] = [:]
      var row: (next: [UInt32], output: [Int32], before: [UInt32]) = ([], [], [])
      var lastColumn: Column?
      var lastClass: UInt32 = 0
      for token in 0..<vocabularyCount {
        let column = Column(before: classes[token], next: next[token], output: output[token])
        if column != lastColumn {
          lastColumn = column
          lastClass = columns[column] ?? UInt32(columns.count)
          if columns[column] == nil {
            columns[column] = lastClass
            row.next.append(column.next)
            row.output.append(column.output)
            row.before.append(column.before)
          }
        }
        classes[token] = lastClass
      }
      classCount = columns.count
      rows.append(row)
      isFinal.append(key.node == 0 && automaton.isFinal[Int(key.state)])
      finalOutputs.append(key.node == 0 ? automaton.finalOutputs[Int(key.state)] : 0)
    }
    transitions = [UInt32](repeating: 0, count: rows.count * classCount)
    outputs = [Int32](repeating: 0, count: rows.count * classCount)
    var own = (0..<UInt32(classCount)).map { $0 }
    for (state, row) in rows.enumerated().reversed() {
      for c in 0..<classCount {
        transitions[state * classCount + c] = row.next[Int(own[c])]
        outputs[state * classCount + c] = row.output[Int(own[c])]
        own[c] = row.before[Int(own[c])]
      }
    }
  }

  /// The texts whose count lies in a range.
  func automaton(counting range: ClosedRange<Int>) throws(ConstraintError) -> TokenAutomaton {
    // Without an upper bound, everything from the lower bound on is alike.
    let isBounded = range.upperBound < Int(Int32.max)
    let most = isBounded ? range.upperBound : range.lowerBound
    guard stateCount * (most + 1) <= 4_000_000 else {
      throw ConstraintError("counting up to \(most) needs an automaton that is too large")
    }
    let levels = most + 1
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

  /// The allowed texts, each count adding so many nats.
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
