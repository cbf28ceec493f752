// Licensed under the Apache License, Version 2.0.

/// The states of a token automaton by the number of tokens read.
///
/// A layer has the states that some allowed text of allowed length passes through, whatever its
/// weight. If texts may have any length, a single layer with all states serves every number of
/// tokens.
struct AutomatonLayers: Sendable {
  let automaton: TokenAutomaton
  /// The numbers of tokens that a text may have; some text reaches the upper bound.
  let lengths: ClosedRange<Int>
  /// Whether texts may have any length, so that there is a single layer.
  let isEndless: Bool
  /// The states of each layer, in ascending order.
  private let layers: [[TokenAutomaton.State]]
  /// For each layer and state, the index in `layers`, or -1.
  private let places: [[Int32]]

  /// The single layer for texts of any length; `nil` if no text is allowed.
  init?(endless automaton: TokenAutomaton) {
    guard automaton.isSatisfiable else { return nil }
    self.automaton = automaton
    var place = [Int32](repeating: -1, count: automaton.stateCount)
    // Every transition leads to a state that can be completed.
    let live = automaton.reachableStates.map { TokenAutomaton.State($0) }
    for (i, state) in live.enumerated() { place[Int(state)] = Int32(i) }
    layers = [live]
    places = [place]
    lengths = 0...Int.max
    isEndless = true
  }

  /// The layers of an automaton; `nil` if no text is allowed.
  ///
  /// If `length` is `nil`, the automaton itself must bound the length.
  init?(_ automaton: TokenAutomaton, length: ClosedRange<Int>?) {
    self.automaton = automaton
    func following(_ layer: [TokenAutomaton.State]) -> [TokenAutomaton.State] {
      var isNext = [Bool](repeating: false, count: automaton.stateCount)
      for state in layer {
        let row = Int(state) * automaton.classCount
        for next in automaton.transitions[row..<row + automaton.classCount]
        where next != TokenAutomaton.dead { isNext[Int(next)] = true }
      }
      return isNext.indices.filter { isNext[$0] }.map { TokenAutomaton.State($0) }
    }
    var reached: [[TokenAutomaton.State]] = [[automaton.start]]
    while reached.count <= length?.upperBound ?? .max {
      let next = following(reached[reached.count - 1])
      if next.isEmpty { break }
      reached.append(next)
    }
    let lowest = length?.lowerBound ?? 0
    var columns: [[TokenAutomaton.State]] = []
    var places: [[Int32]] = []
    for count in reached.indices.reversed() {
      var place = [Int32](repeating: -1, count: automaton.stateCount)
      var live: [TokenAutomaton.State] = []
      for state in reached[count] {
        let row = Int(state) * automaton.classCount
        let mayEnd = count >= lowest && automaton.finalWeights[Int(state)] > -.infinity
        let isLive =
          mayEnd
          || automaton.transitions[row..<row + automaton.classCount].contains { next in
            next != TokenAutomaton.dead && places.last.map { $0[Int(next)] >= 0 } ?? false
          }
        if isLive {
          place[Int(state)] = Int32(live.count)
          live.append(state)
        }
      }
      if live.isEmpty && columns.isEmpty { continue }
      columns.append(live)
      places.append(place)
    }
    guard let first = columns.last, !first.isEmpty else { return nil }
    layers = columns.reversed()
    self.places = places.reversed()
    lengths = min(lowest, columns.count - 1)...(columns.count - 1)
    isEndless = false
  }

  /// The largest number of tokens in a text.
  var most: Int { lengths.upperBound }

  /// The number of layers that are followed by another token.
  var stepCount: Int { isEndless ? 1 : most }

  /// The states after so many tokens, ascending.
  func columns(_ count: Int) -> [TokenAutomaton.State] { layers[isEndless ? 0 : count] }

  /// The column of the start state, before the first token.
  var startColumn: Int { column(0, automaton.start) }

  /// The column of a state after so many tokens, or -1.
  func column(_ count: Int, _ state: TokenAutomaton.State) -> Int {
    state == TokenAutomaton.dead ? -1 : Int(places[isEndless ? 0 : count][Int(state)])
  }

  /// Whether a text may end in a state after so many tokens.
  func mayEnd(_ count: Int, _ state: TokenAutomaton.State) -> Bool {
    count >= lengths.lowerBound && automaton.finalWeights[Int(state)] > -.infinity
  }

  /// The column after one more token of a class (-1 if there is none), and the nats that it adds.
  func step(_ count: Int, _ column: Int, class c: Int) -> (column: Int, weight: Double) {
    let place = Int(columns(count)[column]) * automaton.classCount + c
    return (
      self.column(count + 1, automaton.transitions[place]),
      automaton.weights.isEmpty ? 0 : automaton.weights[place]
    )
  }
}
