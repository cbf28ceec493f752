// Licensed under the Apache License, Version 2.0.

extension ExactInference {
  /// One text, independent of all others.
  ///
  /// Many are drawn faster by ``draws(_:random:threads:)``.
  ///
  /// - Complexity: O(tokens x logarithm of arcs); where memory does not hold all messages, that of
  ///   computing them.
  public func draw(using choices: inout some ChoiceSource) -> TokenSequence {
    var walk = Walk(in: self)
    var weights = makeWeights()
    while walk.isGoing {
      let window = messages.window(from: walk.count)
      while walk.isGoing, walk.count < window.end {
        step(&walk, window, &weights, &choices)
      }
    }
    return TokenSequence(walk.text)
  }

  /// Some of a sequence of independent texts, each drawn from a stream of its own.
  ///
  /// They go on together, those in one context side by side, so that they read the same memory.
  ///
  /// - Parameters:
  ///   - numbers: which of the sequence.
  ///   - random: what the streams split from; text i takes stream i.
  ///   - threads: how many threads; they change no result.
  /// - Returns: the texts in order.
  /// - Complexity: O(tokens x logarithm of arcs), and once that of computing the messages where
  ///   memory does not hold all.
  public func draws(_ numbers: Range<Int>, random: Philox, threads: Int = 1) -> [TokenSequence] {
    let pieces = min(numbers.count, threads)
    guard pieces > 0 else { return [] }
    var open = (0..<pieces).map { piece in
      let low = numbers.lowerBound + numbers.count * piece / pieces
      let high = numbers.lowerBound + numbers.count * (piece + 1) / pieces
      return Batch(
        walks: [Walk](repeating: Walk(in: self), count: high - low),
        choices: (low..<high).map { RandomChoices(random.stream(UInt64($0))) })
    }
    while let count = open.lazy.flatMap(\.walks).first(where: \.isGoing)?.count {
      let window = messages.window(from: count)
      let before = open
      open = []
      open =
        (try? concurrently(pieces, threads: threads) { piece in
          var batch = before[piece]
          advance(&batch, through: window)
          return batch
        }) ?? []
    }
    return open.flatMap(\.walks).map { TokenSequence($0.text) }
  }

  /// The token after the beginning of a text, `nil` for its end.
  package func drawToken(
    after beginning: some Sequence<Token>, using choices: inout some ChoiceSource
  ) -> Token? {
    var walk = Walk(in: self)
    for token in beginning {
      walk.advance(by: token, to: model.step(walk.context, token.rawValue).target, in: self)
    }
    var weights = makeWeights()
    let count = walk.count
    if walk.isGoing { step(&walk, messages.window(from: count), &weights, &choices) }
    return walk.count > count ? walk.text.last : nil
  }

  /// A text that some allowed text begins with.
  private struct Walk: Sendable {
    var text: [Token] = []
    var isGoing: Bool
    var context: Int
    var column: Int
    /// The column before the last token, and what messages are multiplied with as seen from there.
    var previous = 0
    var factor = 1.0

    var count: Int { text.count }

    init(in inference: ExactInference) {
      context = inference.model.start
      column = inference.layers.startColumn
      isGoing = inference.layers.most > 0
    }

    mutating func advance(by token: Token, to target: Int, in inference: ExactInference) {
      let c = Int(inference.layers.automaton.classes[token.index])
      context = target
      previous = column
      factor = inference.messages.steps(count).factor(column, class: c)
      column = inference.layers.step(count, column, class: c).column
      text.append(token)
      isGoing = count < inference.layers.most
    }
  }

  /// Texts that are drawn together.
  private struct Batch: Sendable {
    var walks: [Walk]
    var choices: [RandomChoices]
  }

  private func makeWeights() -> [Double] {
    let above = BackoffAutomaton.blocks(ofArcs: model.vocabulary.count).second
    return [Double](repeating: 0, count: max(above, 2 * BackoffAutomaton.blockSize) + 1)
  }

  private func advance(_ batch: inout Batch, through window: ExactMessages.Window) {
    var weights = makeWeights()
    var going = batch.walks.indices.filter { batch.walks[$0].isGoing }
    while let first = going.first, batch.walks[first].count < window.end {
      going.sort { batch.walks[$0].context < batch.walks[$1].context }
      for i in going { step(&batch.walks[i], window, &weights, &batch.choices[i]) }
      going.removeAll { !batch.walks[$0].isGoing }
    }
  }

  /// One more token, or the end.
  private func step(
    _ walk: inout Walk, _ window: ExactMessages.Window, _ weights: inout [Double],
    _ choices: inout some ChoiceSource
  ) {
    let arc = drawArc(walk.context, walk, window, &weights, &choices)
    let token = model.tokens[arc]
    if token == model.vocabulary.end.rawValue {
      walk.isGoing = false
    } else {
      walk.advance(by: Token(rawValue: token), to: Int(model.targets[arc]), in: self)
    }
  }

  /// An arc in proportion to what its token contributes to a context's message.
  ///
  /// What a context lists is chosen against the shorter one's message as a whole. In a split
  /// context, what is drawn from the shorter one and listed is rejected.
  private func drawArc(
    _ context: Int, _ walk: Walk, _ window: ExactMessages.Window, _ weights: inout [Double],
    _ choices: inout some ChoiceSource
  ) -> Int {
    let rows = window[walk.count]
    if context == 0 {
      return drawListed(0, failing: 0, walk.column, rows, &weights, &choices) ?? 0
    }
    let shorter = Int(model.failures[context])
    if model.arcs[context].isEmpty { return drawArc(shorter, walk, window, &weights, &choices) }
    let failing = model.backoffs[context] * message(of: shorter, walk, window)
    for _ in 0..<attempts {
      if let arc = drawListed(context, failing: failing, walk.column, rows, &weights, &choices) {
        return arc
      }
      let arc = drawArc(shorter, walk, window, &weights, &choices)
      if !model.isSplit[context] || model.arc(model.tokens[arc], of: context) < 0 { return arc }
    }
    let token = choices.index(
      weights: MessagePass.contributions(
        model, context: context, column: walk.column, following: rows))
    for here in model.chain(context) {
      let arc = model.arc(UInt32(token), of: here)
      if arc >= 0 { return arc }
    }
    preconditionFailure("context 0 lists every token")
  }

  /// An arc of a context in proportion to what it contributes, `nil` in proportion to `failing`.
  ///
  /// Many arcs are chosen among by blocks.
  private func drawListed(
    _ context: Int, failing: Double, _ column: Int, _ rows: MessageRows,
    _ weights: inout [Double], _ choices: inout some ChoiceSource
  ) -> Int? {
    let size = BackoffAutomaton.blockSize
    let arcs = Int(model.arcs[context].lowerBound)..<Int(model.arcs[context].upperBound)
    let (blocks, above) = BackoffAutomaton.blocks(ofArcs: arcs.count)
    let head = model.contextCount + Int(model.blockHeads[context])
    let isSplit = model.isSplit[context]
    let column = column
    func choose(_ count: Int, _ failing: Double, _ weight: (Int) -> Double) -> Int {
      for i in 0..<count { weights[i] = weight(i) }
      weights[count] = failing
      return choices.index(weights: weights.span.extracting(0..<count + (failing > 0 ? 1 : 0)))
    }
    var inner = 0..<arcs.count
    var failing = failing
    if blocks > 0 {
      var part = 0..<blocks
      if above > 0 {
        let chosen = choose(above, failing) { rows[head + blocks + $0, column] }
        guard chosen < above else { return nil }
        part = chosen * size..<min(blocks, (chosen + 1) * size)
        failing = 0
      }
      let chosen = choose(part.count, failing) { rows[head + part.lowerBound + $0, column] }
      guard chosen < part.count else { return nil }
      let block = part.lowerBound + chosen
      inner = block * size..<min(arcs.count, (block + 1) * size)
      failing = 0
    }
    let first = arcs.lowerBound + inner.lowerBound
    let chosen = choose(inner.count, failing) { i in
      (isSplit ? model.weights[first + i] : model.corrections[first + i])
        * rows[Int(model.targets[first + i]), column]
    }
    return chosen < inner.count ? first + chosen : nil
  }

  /// The message of a context that the one at a place fails to.
  private func message(of shorter: Int, _ walk: Walk, _ window: ExactMessages.Window) -> Double {
    shorter == 0
      ? messages.emptyValues(walk.count)[walk.column]
      : window[walk.count - 1][shorter, walk.previous] / walk.factor
  }
}
