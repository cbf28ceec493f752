// Licensed under the Apache License, Version 2.0.

/// All texts that a target allows, each with its probability, for any model.
///
/// The texts are listed first, without the model. The model then reads each beginning once, in
/// batches, level by level: a tree of prefixes.
///
/// **Accuracy.** That of the model's log-probabilities; the sums add nothing to speak of.
public struct EnumeratedTexts: Sendable {
  /// Why texts cannot be listed.
  public enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
    /// There are more than this number of them.
    case tooMany(Int)
    /// The model gives none of them a positive probability.
    case impossible
    /// `proceed` returned `false`.
    case stopped

    /// What is wrong, and what to do.
    public var description: String {
      switch self {
      case .tooMany(let limit):
        "the constraints allow more than \(limit) texts. Raise the limit, or constrain more, for "
          + "example by 'length ..6 tokens'"
      case .impossible: "the model gives no allowed text a positive probability"
      case .stopped: "it was stopped"
      }
    }
  }

  /// A text and what the model says of it.
  public struct Entry: Hashable, Sendable {
    /// The text.
    public var text: TokenSequence
    /// Natural log of the model's probability, the end included.
    public var logModel: Double
    /// Natural log of the target.
    public var logProbability: Double
  }

  /// The texts, the most probable first.
  public let entries: [Entry]
  /// Natural log of the sum of the target.
  public let logEvidence: Double
  private let vocabularyCount: Int

  /// Prefixes that lead to no text count against the limit, too, but less.
  private static let prefixesPerText = 64

  /// Lists the texts and reads them.
  ///
  /// - Parameters:
  ///   - target: the target.
  ///   - limit: the most texts, positive.
  ///   - batch: the most prefixes that the model reads at once.
  ///   - proceed: asked before each batch with the share that is done.
  /// - Throws: `Fault`, or what the model throws.
  public init<Target: TextTarget>(
    _ target: Target, limit: Int, batch: Int = 64,
    proceed: (Double) -> Bool = { _ in true }
  ) throws where Target.Constraint == TokenAutomaton {
    let model = target.model
    let automaton = target.constraint ?? TokenAutomaton(every: model.vocabulary)
    let tree = try Self.tree(
      automaton, model.vocabulary, target.spelling, limit, model.longestText)
    vocabularyCount = model.vocabulary.count
    var entries: [Entry] = []
    var logs = [Double](repeating: 0, count: tree.count)
    var contexts: [Int: Target.Model.Context] = [:]
    let root = try model.makeContext()
    let end = model.vocabulary.end.index
    var results = ScoredRuns<Target.Model.Context>()
    var first = 0
    while first < tree.count {
      guard proceed(Double(first) / Double(tree.count)) else { throw Fault.stopped }
      // A node and its parent cannot be read at once.
      var last = first + 1
      while last < min(tree.count, first + batch), tree[last].parent < first { last += 1 }
      try model.score(
        (first..<last).map { node in
          node == 0
            ? TokenRun(root, [], rows: .last)
            : TokenRun(contexts[tree[node].parent] ?? root, [tree[node].token], rows: .last)
        }, into: &results)
      for node in first..<last {
        if node > 0, !tree[node].children.isEmpty {
          contexts[node] = results.context(ofRun: node - first, behind: 1)
        }
        let row = results.row(0, ofRun: node - first)
        for child in tree[node].children {
          logs[child] = logs[node] + row[row.startIndex + tree[child].token.index]
        }
        guard tree[node].isText else { continue }
        let text = TokenSequence(Self.tokens(to: node, tree))
        let logModel = logs[node] + row[row.startIndex + end]
        let log = target.fluency * logModel + automaton.logWeight(of: text)
        entries.append(Entry(text: text, logModel: logModel, logProbability: log))
      }
      // Contexts before the parents of what is still unread serve nobody.
      let parent = last < tree.count ? tree[last].parent : tree.count
      contexts = contexts.filter { $0.key >= parent }
      first = last
    }
    let possible = entries.filter { $0.logProbability > -.infinity }
    guard !possible.isEmpty else { throw Fault.impossible }
    self.entries = possible.sorted { $0.logProbability > $1.logProbability }
    logEvidence = LogSpace.sum(self.entries.map(\.logProbability))
  }

  /// A beginning of texts; parents stand before their children.
  private struct Node {
    var parent: Int
    var token: Token
    var state: TokenAutomaton.State
    var children: Range<Int> = 0..<0
    var isText = false
  }

  private static func tokens(to node: Int, _ tree: [Node]) -> [Token] {
    var tokens: [Token] = []
    var place = node
    while place > 0 {
      tokens.append(tree[place].token)
      place = tree[place].parent
    }
    return tokens.reversed()
  }

  /// The tree of all beginnings, level by level, without those that lead to no text.
  private static func tree(
    _ automaton: TokenAutomaton, _ vocabulary: Vocabulary, _ spelling: (any SpellingRule)?,
    _ limit: Int, _ longest: Int
  ) throws(Fault) -> [Node] {
    let (most, overflow) = limit.multipliedReportingOverflow(by: prefixesPerText)
    let members = automaton.membersByClass(where: vocabulary.isDrawable)
    var all = [Node(parent: 0, token: vocabulary.start, state: automaton.start)]
    var texts = 0
    var level = 0..<1
    while !level.isEmpty {
      for node in level {
        let state = all[node].state
        let tokens = tokens(to: node, all)
        if automaton.endWeight(state) > -.infinity, spelling?.allows(tokens) ?? true {
          all[node].isText = true
          texts += 1
          guard texts <= limit else { throw .tooMany(limit) }
        }
        let start = all.count
        if tokens.count < longest {
          for (tokenClass, words) in members.enumerated() {
            let next = automaton.following(state, class: tokenClass)
            guard next != TokenAutomaton.dead, automaton.shortestCompletion(next) != nil else {
              continue
            }
            for token in words
            where spelling?.mayBegin(tokens + [token], from: tokens.count) ?? true {
              all.append(Node(parent: node, token: token, state: next))
              guard overflow || all.count <= most + 1 else { throw .tooMany(limit) }
            }
          }
        }
        all[node].children = start..<all.count
      }
      level = level.upperBound..<all.count
    }
    return pruned(all)
  }

  /// The tree without branches that hold no text.
  private static func pruned(_ all: [Node]) -> [Node] {
    var isNeeded = all.map(\.isText)
    for node in all.indices.reversed() where node > 0 && isNeeded[node] {
      isNeeded[all[node].parent] = true
    }
    isNeeded[0] = true
    var places = [Int](repeating: 0, count: all.count)
    var kept: [Node] = []
    for node in all.indices where isNeeded[node] {
      places[node] = kept.count
      kept.append(all[node])
    }
    // Children of one node are neighbours still.
    for place in kept.indices {
      let children = kept[place].children.filter { isNeeded[$0] }
      kept[place].children =
        children.first.map { places[$0]..<places[$0] + children.count } ?? 0..<0
      if place > 0 { kept[place].parent = places[kept[place].parent] }
    }
    return kept
  }
}

extension EnumeratedTexts {
  /// The probability of a text of ``entries``.
  public func probability(of entry: Entry) -> Double {
    LogSpace.exp(entry.logProbability - logEvidence)
  }

  /// The entropy of a draw, in nats.
  public var entropy: Double {
    entries.reduce(0) { sum, entry in
      sum - probability(of: entry) * (entry.logProbability - logEvidence)
    }
  }

  /// The probability that a draw has a property.
  public func probability(where holds: (TokenSequence) -> Bool) -> Double {
    entries.reduce(0) { holds($1.text) ? $0 + probability(of: $1) : $0 }
  }

  /// A table that draws an index of ``entries``.
  public func makeTable() -> AliasTable { AliasTable(weights: entries.map(probability)) }

  /// The probabilities of all tokens at all places, and of all lengths.
  public var marginals: ExactMarginals {
    let longest = entries.map(\.text.count).max() ?? 0
    var lengths = [Double](repeating: 0, count: longest + 1)
    var tokens = [[Double]](
      repeating: [Double](repeating: 0, count: vocabularyCount), count: longest)
    for entry in entries {
      let probability = probability(of: entry)
      lengths[entry.text.count] += probability
      for (place, token) in entry.text.enumerated() { tokens[place][token.index] += probability }
    }
    return ExactMarginals(tokens: tokens, lengths: lengths)
  }
}
