// Licensed under the Apache License, Version 2.0.

/// The state and the work of an ``IncrementalScorer``.
///
/// It is a structure, so that the compiler decides at build time who may change it.
@usableFromInline
@safe
struct IncrementalScorerCore<Model: FiniteContextModel, Constraint: TokenConstraint> {
  /// The context before a place and the natural log-probability of the token there.
  @usableFromInline
  struct Entry {
    @usableFromInline var context: Model.Context
    @usableFromInline var logProbability: Double

    @inlinable
    init(context: Model.Context, logProbability: Double) {
      self.context = context
      self.logProbability = logProbability
    }
  }

  /// The state before a place and the nats added by reading the token there.
  @usableFromInline
  struct Reading {
    @usableFromInline var state: Constraint.State
    @usableFromInline var weight: Double

    @inlinable
    init(state: Constraint.State, weight: Double) {
      self.state = state
      self.weight = weight
    }
  }

  /// A stretch of old places and what replaces it.
  @usableFromInline
  struct Piece {
    @usableFromInline var low: Int
    @usableFromInline var high: Int
    @usableFromInline var from: Int
    @usableFromInline var length: Int

    @inlinable
    init(low: Int, high: Int, from: Int, length: Int) {
      self.low = low
      self.high = high
      self.from = from
      self.length = length
    }
  }

  @usableFromInline let end: Token
  @usableFromInline let reach: Int
  @usableFromInline let isBounded: Bool
  /// Whether allowed texts have equal weights, so that an edit changes nothing or is forbidden.
  @usableFromInline let isUniform: Bool
  // A copy of the target's constraint, read in place so that no step counts references.
  @usableFromInline let constraint: UnsafeMutablePointer<Constraint>?

  // Whether the constraint forbids the current text; its readings then mean nothing.
  var isForbidden = false

  // One value per place; entries and readings have one more for the end.
  @usableFromInline var tokens: Lane<Token>
  @usableFromInline var entries: Lane<Entry>
  @usableFromInline var readings: Lane<Reading>
  // What deleting each place adds. It depends on the text alone, and most looks at deletions are
  // repeated. Not a number if it is not known.
  @usableFromInline var deletions: Lane<Double>

  // The last edit looked at: at most two segments, with their new tokens side by side.
  @usableFromInline var segments: Lane<Piece>
  @usableFromInline var newTokens: Lane<Token>
  @usableFromInline var entryPieces: Lane<Piece>
  @usableFromInline var newEntries: Lane<Entry>
  @usableFromInline var readingPieces: Lane<Piece>
  @usableFromInline var newReadings: Lane<Reading>
  @usableFromInline var unknownDeletions: Lane<Double>
  // Whether the last look was completed, so that it can be committed.
  @usableFromInline var isComplete = false

  init(target: SentenceTarget<Model, Constraint>, at text: TokenSequence) {
    let model = target.model
    end = model.vocabulary.end
    reach = model.contextLimit
    isUniform = target.constraint?.isUniform ?? true
    unsafe constraint = target.constraint.map { constraint in
      let copy = UnsafeMutablePointer<Constraint>.allocate(capacity: 1)
      unsafe copy.initialize(to: constraint)
      return unsafe copy
    }
    // The bound on a change needs log-probabilities that are not positive.
    isBounded = model.contextLimit < 1 << 16 && model.logProbabilityCeiling <= 0
    tokens = Lane(capacity: text.count * 2 + 32)
    entries = Lane(capacity: text.count * 2 + 32)
    readings = Lane(capacity: text.count * 2 + 32)
    deletions = Lane(capacity: text.count * 2 + 32)
    unknownDeletions = Lane(capacity: 64)
    segments = Lane(capacity: 2)
    newTokens = Lane(capacity: 64)
    entryPieces = Lane(capacity: 2)
    newEntries = Lane(capacity: 64)
    readingPieces = Lane(capacity: 2)
    newReadings = Lane(capacity: 64)
    var context = model.makeContext()
    for token in text {
      tokens.append(token)
      let before = context
      let logProbability = model.advance(&context, scoring: token)
      entries.append(Entry(context: before, logProbability: logProbability))
    }
    entries.append(
      Entry(context: context, logProbability: model.logProbability(of: end, in: context)))
    for _ in 0..<entries.count { deletions.append(.nan) }
    if let constraint = target.constraint {
      var state = constraint.start
      for token in text {
        guard !isForbidden, token.index < constraint.tokenCount,
          let following = constraint.next(state, token)
        else {
          isForbidden = true
          readings.append(Reading(state: state, weight: 0))
          continue
        }
        readings.append(Reading(state: state, weight: constraint.weight(state, token)))
        state = following
      }
      readings.append(Reading(state: state, weight: 0))
    }
  }

  func destroy() {
    tokens.destroy()
    entries.destroy()
    readings.destroy()
    segments.destroy()
    newTokens.destroy()
    entryPieces.destroy()
    newEntries.destroy()
    readingPieces.destroy()
    newReadings.destroy()
    deletions.destroy()
    unknownDeletions.destroy()
    if let constraint = unsafe constraint {
      unsafe constraint.deinitialize(count: 1)
      unsafe constraint.deallocate()
    }
  }

  @inlinable
  @inline(__always)
  var count: Int { tokens.count }

  @inlinable
  @inline(__always)
  func token(at place: Int) -> Token {
    precondition(place >= 0 && place < tokens.count, "a place lies in the text")
    return tokens[place]
  }

  @inlinable
  @inline(__always)
  func context(before place: Int) -> Model.Context {
    precondition(place >= 0 && place < entries.count, "a place lies in the text or at its end")
    return entries[place].context
  }

  @inlinable
  @inline(__always)
  func constraintState(before place: Int) -> Constraint.State? {
    guard unsafe constraint != nil else { return nil }
    precondition(place >= 0 && place < readings.count, "a place lies in the text or at its end")
    return readings[place].state
  }

  @inlinable
  @inline(__always)
  func logProbability(at place: Int) -> Double {
    precondition(place >= 0 && place < entries.count, "a place lies in the text or at its end")
    return entries[place].logProbability
  }

  var state: TokenSequence {
    TokenSequence((0..<tokens.count).map { tokens[$0] })
  }

  var logModel: Double {
    var sum = 0.0
    for place in 0..<entries.count { sum += entries[place].logProbability }
    return sum
  }

  /// The nats that the constraint adds to the current text; minus infinity if it is not allowed.
  var logConstraint: Double {
    guard let constraint = unsafe constraint else { return 0 }
    guard !isForbidden else { return -.infinity }
    var soft = unsafe constraint.pointee.endWeight(readings[tokens.count].state)
    for place in 0..<readings.count { soft += readings[place].weight }
    return soft
  }

  func logProbability(_ target: SentenceTarget<Model, Constraint>) -> Double {
    let soft = logConstraint
    return soft == -.infinity ? soft : target.fluency * logModel + soft
  }

  /// What the edit would add to ``logProbability``.
  ///
  /// Minus infinity as soon as the edit is known to be forbidden or below the bound.
  @inlinable
  mutating func change(
    under edit: TokenSequence.Edit, atLeast bound: Double,
    _ target: SentenceTarget<Model, Constraint>
  ) -> Double {
    if case .delete(let place) = edit {
      return changeUnderDeletion(of: place, atLeast: bound, target)
    }
    prepare(edit)
    return change(atLeast: bound, target)
  }

  /// The change under the segments that are prepared.
  @inlinable
  @inline(__always)
  mutating func change(atLeast bound: Double, _ target: SentenceTarget<Model, Constraint>) -> Double
  {
    if newTokens.count == 1 {
      let segment = segments[0]
      target.model.prepare(
        entries[segment.low].context, for: newTokens[0],
        before: segment.high < tokens.count ? tokens[segment.high] : end)
    }
    let soft = changeOfConstraint()
    if soft == -.infinity { return soft }
    return changeOfModel(soft: soft, atLeast: bound, target)
  }

  /// The change under a deletion, which is kept for later looks.
  @inlinable
  @inline(__always)
  mutating func changeUnderDeletion(
    of place: Int, atLeast bound: Double, _ target: SentenceTarget<Model, Constraint>
  ) -> Double {
    precondition(place >= 0 && place < tokens.count, "a deleted place lies in the text")
    // A uniform constraint either keeps an allowed text's weight or forbids the text. With any
    // other constraint the change may depend on the whole text, so a kept change would be wrong.
    if isUniform, deletions[place] < bound { return -.infinity }
    prepare(.delete(place))
    let change = change(atLeast: -.infinity, target)
    if isUniform, change > -.infinity { deletions[place] = change }
    return change
  }

  /// Splits the edit into segments of old places and their new tokens.
  @inlinable
  @inline(__always)
  mutating func prepare(_ edit: TokenSequence.Edit) {
    isComplete = false
    segments.removeAll()
    newTokens.removeAll()
    switch edit {
    case .replace(let place, let token):
      precondition(place >= 0 && place < tokens.count, "a replaced place lies in the text")
      segments.append(Piece(low: place, high: place &+ 1, from: 0, length: 1))
      newTokens.append(token)
    case .insert(let place, let token):
      precondition(place >= 0 && place <= tokens.count, "an insertion lies in 0 ... count")
      segments.append(Piece(low: place, high: place, from: 0, length: 1))
      newTokens.append(token)
    case .delete(let place):
      precondition(place >= 0 && place < tokens.count, "a deleted place lies in the text")
      segments.append(Piece(low: place, high: place &+ 1, from: 0, length: 0))
    case .swap(let a, let b):
      let low = min(a, b)
      let high = max(a, b)
      precondition(low >= 0 && high < tokens.count, "swapped places lie in the text")
      if low == high {
        segments.append(Piece(low: low, high: low, from: 0, length: 0))
      } else {
        segments.append(Piece(low: low, high: low &+ 1, from: 0, length: 1))
        segments.append(Piece(low: high, high: high &+ 1, from: 1, length: 1))
        newTokens.append(tokens[high])
        newTokens.append(tokens[low])
      }
    case .rewrite(let range, let replacement):
      precondition(
        range.lowerBound >= 0 && range.upperBound <= tokens.count, "a range lies in the text")
      segments.append(
        Piece(low: range.lowerBound, high: range.upperBound, from: 0, length: replacement.count))
      for token in replacement { newTokens.append(token) }
    }
  }

  /// The edited text's constraint weight minus the current one, in nats.
  @inlinable
  @inline(__always)
  mutating func changeOfConstraint() -> Double {
    readingPieces.removeAll()
    newReadings.removeAll()
    guard let constraint = unsafe constraint else { return 0 }
    let count = tokens.count
    var change = 0.0
    var segment = 0
    var low = segments[0].low
    var from = 0
    var state = readings[low].state
    while true {
      let piece = segments[segment]
      segment &+= 1
      let stop = segment < segments.count ? segments[segment].low : count &+ 1
      for i in piece.from..<piece.from &+ piece.length {
        guard let following = unsafe constraint.pointee.next(state, newTokens[i]) else {
          return -.infinity
        }
        let weight = unsafe constraint.pointee.weight(state, newTokens[i])
        newReadings.append(Reading(state: state, weight: weight))
        change += weight
        state = following
      }
      for place in piece.low..<piece.high { change -= readings[place].weight }
      // Read old tokens until the old path is met.
      var place = piece.high
      while place != stop && state != readings[place].state {
        if place == count {
          let end = unsafe constraint.pointee.endWeight(state)
          if end == -.infinity { return end }
          change += unsafe end - constraint.pointee.endWeight(readings[count].state)
          newReadings.append(Reading(state: state, weight: 0))
        } else {
          guard let following = unsafe constraint.pointee.next(state, tokens[place]) else {
            return -.infinity
          }
          let weight = unsafe constraint.pointee.weight(state, tokens[place])
          newReadings.append(Reading(state: state, weight: weight))
          change += weight - readings[place].weight
          state = following
        }
        place &+= 1
      }
      // The path still differs, so the next segment goes on from here.
      if segment < segments.count, place == stop, state != readings[place].state { continue }
      readingPieces.append(
        Piece(low: low, high: place, from: from, length: newReadings.count &- from))
      guard segment < segments.count else { return change }
      low = segments[segment].low
      from = newReadings.count
      state = readings[low].state
    }
  }

  /// `soft` plus the model's log-probability of the edited text minus that of the current one.
  @inlinable
  @inline(__always)
  mutating func changeOfModel(
    soft: Double, atLeast bound: Double, _ target: SentenceTarget<Model, Constraint>
  ) -> Double {
    entryPieces.removeAll()
    newEntries.removeAll()
    let fluency = target.fluency
    let count = tokens.count
    // Not paying for the old places gains at most this much. New tokens can only reduce it.
    var most = Double.infinity
    if isBounded && bound > -.infinity {
      most = 0
      for s in 0..<segments.count {
        let stop = min(segments[s].high &+ reach, count &+ 1)
        for place in segments[s].low..<stop { most -= entries[place].logProbability }
      }
      // The slack exceeds the rounding of a few hundred terms, each below a few hundred nats.
      most += (soft - bound) / fluency + 1e-9
    }
    var change = 0.0
    var segment = 0
    var low = segments[0].low
    var from = 0
    var context = entries[low].context
    while true {
      let piece = segments[segment]
      segment &+= 1
      let stop = segment < segments.count ? segments[segment].low : count &+ 1
      for i in piece.from..<piece.from &+ piece.length {
        let before = context
        let logProbability = target.model.advance(&context, scoring: newTokens[i])
        newEntries.append(Entry(context: before, logProbability: logProbability))
        change += logProbability
        most += logProbability
        if most < 0 { return -.infinity }
      }
      for place in piece.low..<piece.high { change -= entries[place].logProbability }
      // Read old tokens until their contexts are met.
      var place = piece.high
      while place != stop && !(context == entries[place].context) {
        let before = context
        let logProbability =
          place == count
          ? target.model.logProbability(of: end, in: context)
          : target.model.advance(&context, scoring: tokens[place])
        newEntries.append(Entry(context: before, logProbability: logProbability))
        change += logProbability - entries[place].logProbability
        most += logProbability
        if most < 0 { return -.infinity }
        place &+= 1
      }
      // The context still differs, so the next segment goes on from here.
      if segment < segments.count, place == stop, !(context == entries[place].context) { continue }
      entryPieces.append(
        Piece(low: low, high: place, from: from, length: newEntries.count &- from))
      guard segment < segments.count else {
        isComplete = true
        return soft + fluency * change
      }
      low = segments[segment].low
      from = newEntries.count
      context = entries[low].context
    }
  }

  /// Whether the last look was at this edit and was completed.
  @inlinable
  @inline(__always)
  func isReady(for edit: TokenSequence.Edit) -> Bool {
    guard isComplete else { return false }
    let first = segments[0]
    switch edit {
    case .replace(let place, let token):
      return segments.count == 1 && first.low == place && first.high == place &+ 1
        && newTokens.count == 1 && newTokens[0] == token
    case .insert(let place, let token):
      return segments.count == 1 && first.low == place && first.high == place
        && newTokens.count == 1 && newTokens[0] == token
    case .delete(let place):
      return segments.count == 1 && first.low == place && first.high == place &+ 1
        && newTokens.count == 0
    case .swap(let a, let b):
      let (low, high) = (min(a, b), max(a, b))
      if low == high {
        return segments.count == 1 && first.low == low && first.high == low && first.length == 0
      }
      return segments.count == 2 && first.low == low && segments[1].low == high
    case .rewrite(let range, let replacement):
      guard
        segments.count == 1 && first.low == range.lowerBound && first.high == range.upperBound
          && newTokens.count == replacement.count
      else { return false }
      for i in 0..<replacement.count where newTokens[i] != replacement[i] { return false }
      return true
    }
  }

  /// Makes an edit.
  ///
  /// If it was not the last one looked at, it is scored first.
  @inlinable
  mutating func commit(_ edit: TokenSequence.Edit, _ target: SentenceTarget<Model, Constraint>) {
    if !isReady(for: edit) {
      prepare(edit)
      precondition(
        change(atLeast: -.infinity, target) > -.infinity, "an edit that is made is allowed")
    }
    isComplete = false
    for i in stride(from: entryPieces.count - 1, through: 0, by: -1) {
      let piece = entryPieces[i]
      entries.replace(
        piece.low, piece.high, with: newEntries, from: piece.from, length: piece.length)
      while unknownDeletions.count < piece.length { unknownDeletions.append(.nan) }
      deletions.replace(
        piece.low, piece.high, with: unknownDeletions, from: 0, length: piece.length)
      // Deletions before it depend on as many tokens as a context holds.
      for place in max(0, piece.low &- min(reach, piece.low))..<piece.low {
        deletions[place] = .nan
      }
    }
    for i in stride(from: readingPieces.count - 1, through: 0, by: -1) {
      let piece = readingPieces[i]
      readings.replace(
        piece.low, piece.high, with: newReadings, from: piece.from, length: piece.length)
    }
    for i in stride(from: segments.count - 1, through: 0, by: -1) {
      let piece = segments[i]
      tokens.replace(
        piece.low, piece.high, with: newTokens, from: piece.from, length: piece.length)
    }
  }
}
