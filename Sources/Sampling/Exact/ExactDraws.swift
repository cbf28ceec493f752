// Licensed under the Apache License, Version 2.0.

internal import CKernels

extension ExactInference {
  /// Draws one text, independent of all others.
  ///
  /// To draw many texts, ``draws(_:random:threads:)`` is faster.
  ///
  /// - Complexity: O(tokens x log of arcs); if memory does not hold all messages, that of computing
  ///   them.
  @specialized(where Choices == RandomChoices)
  public func draw<Choices: ChoiceSource>(using choices: inout Choices) -> TokenSequence {
    var walk = Walk(in: self)
    model.withTables { tables in
      var arcs = ArcDraws(self, tables, isShared: false)
      while walk.isGoing {
        let window = messages.window(from: walk.count)
        while walk.isGoing, walk.count < window.end {
          arcs.enter(walk.count, window)
          arcs.step(&walk, &choices)
        }
      }
    }
    return TokenSequence(walk.text)
  }

  /// Draws some texts of a sequence of independent ones, each from its own random stream.
  ///
  /// They are drawn together: texts in contexts with the same back-off are processed side by side,
  /// so that they read the same memory.
  ///
  /// - Parameters:
  ///   - numbers: the numbers of the texts in the sequence.
  ///   - random: the generator whose streams are used; text i takes stream i.
  ///   - threads: the number of threads, which does not change the results.
  /// - Returns: the texts in order.
  /// - Complexity: O(tokens x log of arcs), plus once that of computing the messages if memory does
  ///   not hold all of them.
  public func draws(_ numbers: Range<Int>, random: Philox, threads: Int = 1) -> [TokenSequence] {
    let pieces = min(numbers.count, threads)
    guard pieces > 0 else { return [] }
    let open = (0..<pieces).map { piece in
      let low = numbers.lowerBound + numbers.count * piece / pieces
      let high = numbers.lowerBound + numbers.count * (piece + 1) / pieces
      return Batch(
        walks: (low..<high).map { _ in Walk(in: self) },
        choices: (low..<high).map { RandomChoices(random.stream(UInt64($0))) })
    }
    while let count = open.lazy.flatMap(\.walks).first(where: \.isGoing)?.count {
      let window = messages.window(from: count)
      let batches = open
      _ = try? concurrently(pieces, threads: threads) { advance(batches[$0], through: window) }
    }
    return open.flatMap(\.walks).map { TokenSequence($0.text) }
  }

  /// Draws the token after the beginning of a text; `nil` for the end.
  package func drawToken(
    after beginning: some Sequence<Token>, using choices: inout some ChoiceSource
  ) -> Token? {
    var walk = Walk(in: self)
    for token in beginning {
      let target = model.step(Int(model.slots[walk.place].context), token.rawValue).target
      let steps = messages.steps(walk.count)
      let step = Int(layers.automaton.classes[token.index]) * steps.stride + walk.column
      walk.advance(
        by: token, to: Int(model.slotOf[target]), column: Int(steps.columns[step]),
        factor: steps.factors[step], most: layers.most)
    }
    let count = walk.count
    guard walk.isGoing else { return nil }
    model.withTables { tables in
      var arcs = ArcDraws(self, tables, isShared: false)
      arcs.enter(count, messages.window(from: count))
      arcs.step(&walk, &choices)
    }
    return walk.count > count ? walk.text.last : nil
  }

  /// The state of a text that is being drawn.
  struct Walk: Sendable {
    var text: [Token] = []
    var isGoing: Bool
    /// The index of the context in the order of passes.
    var place: Int
    var column: Int
    /// The column before the last token, and the factor of messages as seen from there.
    var previous = 0
    var factor = 1.0

    var count: Int { text.count }

    init(in inference: ExactInference) {
      place = Int(inference.model.slotOf[inference.model.start])
      column = inference.layers.startColumn
      isGoing = inference.layers.most > 0
      if isGoing { text.reserveCapacity(min(inference.layers.most, 32)) }
    }

    /// Appends a token, which leads to a context and a column.
    mutating func advance(
      by token: Token, to target: Int, column next: Int, factor: Double, most: Int
    ) {
      place = target
      previous = column
      self.factor = factor
      column = next
      text.append(token)
      isGoing = count < most
    }
  }

  /// Texts that are drawn together, by one thread at a time.
  private final class Batch: @unchecked Sendable {
    var walks: [Walk]
    var choices: [RandomChoices]

    init(walks: [Walk], choices: [RandomChoices]) {
      self.walks = walks
      self.choices = choices
    }
  }

  /// Prefetches all cache lines of an element.
  private static func fetch<Element>(
    _ elements: UnsafeMutableBufferPointer<Element>, _ place: Int
  ) {
    guard let base = elements.baseAddress else { return }
    let first = unsafe UnsafeRawPointer(base + place)
    for offset in stride(from: 0, to: MemoryLayout<Element>.size, by: 64) {
      unsafe gensample_prefetch(first + offset)
    }
  }

  private func advance(_ batch: Batch, through window: ExactMessages.Window) {
    var walks = batch.walks
    var choices = batch.choices
    // Otherwise each change would copy the arrays.
    (batch.walks, batch.choices) = ([], [])
    defer { (batch.walks, batch.choices) = (walks, choices) }
    model.withTables { tables in
      var arcs = ArcDraws(self, tables, isShared: true)
      var going = walks.indices.filter { walks[$0].isGoing }.map { UInt64($0) }
      while let first = going.first {
        let count = walks[Int(first)].count
        guard count < window.end else { return }
        arcs.enter(count, window)
        // Sort by the place in the order of passes, then by number.
        var sorted = going.map { UInt64(walks[Int($0)].place) << 32 | $0 }
        sorted.sort()
        unsafe walks.withUnsafeMutableBufferPointer { walks in
          unsafe choices.withUnsafeMutableBufferPointer { choices in
            for (i, key) in sorted.enumerated() {
              if i + 6 < sorted.count {
                tables.fetch(Int(sorted[i + 6] >> 32))
                let later = Int(sorted[i + 6] & 0xFFFF_FFFF)
                unsafe Self.fetch(walks, later)
                unsafe Self.fetch(choices, later)
              }
              if i + 2 < sorted.count {
                unsafe arcs.fetch(walks[Int(sorted[i + 2] & 0xFFFF_FFFF)])
              }
              let number = Int(key & 0xFFFF_FFFF)
              unsafe arcs.step(&walks[number], &choices[number])
            }
          }
        }
        going.removeAll { !walks[Int($0)].isGoing }
      }
    }
  }

}
