// Licensed under the Apache License, Version 2.0.

/// Statements compiled for one vocabulary: an automaton for all of them, and one for each.
public struct CompiledConstraints: Sendable {
  /// A statement and its automaton.
  public struct Part: Sendable {
    /// The statement as it was parsed.
    public let constraint: Constraint
    /// The automaton of this statement alone.
    public let automaton: TokenAutomaton

    /// Pairs a statement with its automaton.
    public init(constraint: Constraint, automaton: TokenAutomaton) {
      self.constraint = constraint
      self.automaton = automaton
    }
  }

  /// Why a set of statements cannot be sampled under.
  public enum Fault: Error, Sendable {
    /// One statement fails on its own, for the reason given.
    case impossible(Constraint, ConstraintError)
    /// The automaton of all statements together is too large.
    case tooLarge(ConstraintError)
    /// No text meets all of these statements. Without any one of them, some text does.
    case clash([Constraint])
    /// The statement lets the total weight of longer and longer texts grow without end.
    case divergent(Constraint)
  }

  /// The statements that have automata, in the order given.
  public let parts: [Part]
  /// The automaton of all statements together; `nil` if none restricts or weighs texts.
  public let automaton: TokenAutomaton?
  /// The exponent of the model's probability, the product of all `fluency` statements.
  public let fluency: Double
  /// The statement that may give longer and longer texts ever more weight.
  ///
  /// `nil` if there is none, judging by the statements alone.
  public let growing: Constraint?

  /// Compiles statements for a vocabulary.
  ///
  /// - Parameters:
  ///   - constraints: the statements; a text must meet all of them.
  ///   - tree: the vocabulary as a tree.
  ///   - refusingDivergence: whether to refuse statements that may weigh longer and longer texts
  ///     without end. Only the statements are examined here; exact sums can decide it better.
  /// - Throws: ``Fault``. A clash names a smallest set of statements that contradict each other.
  public init(
    _ constraints: [Constraint], for tree: VocabularyTree, refusingDivergence: Bool = true
  ) throws(Fault) {
    var parts: [Part] = []
    var fluency = 1.0
    for constraint in constraints {
      if case .fluency(let exponent) = constraint.kind { fluency *= exponent }
      do throws(ConstraintError) {
        guard let automaton = try constraint.automaton(for: tree) else { continue }
        parts.append(Part(constraint: constraint, automaton: automaton))
      } catch {
        throw .impossible(constraint, error)
      }
    }
    self.parts = parts
    self.fluency = fluency
    do throws(ConstraintError) {
      automaton = try Self.product(parts)
    } catch {
      throw .tooLarge(error)
    }
    if let automaton, !automaton.isSatisfiable {
      throw .clash(Self.smallestClash(parts).map(\.constraint))
    }
    growing = Self.growing(constraints, parts, fluency: fluency, automaton)
    if refusingDivergence, let growing { throw .divergent(growing) }
  }

  private static func growing(
    _ constraints: [Constraint], _ parts: [Part], fluency: Double, _ automaton: TokenAutomaton?
  ) -> Constraint? {
    if fluency < 1, automaton?.isUnbounded ?? true {
      return constraints.first { constraint in
        if case .fluency(let exponent) = constraint.kind { return exponent < 1 }
        return false
      }
    }
    guard let automaton, automaton.hasGrowingCycle else { return nil }
    return parts.first { part in
      if case .prefer(_, let weight) = part.constraint.kind { return weight > 0 }
      return false
    }?.constraint
  }

  /// The product of all parts, beginning with the smallest.
  static func product(_ parts: [Part]) throws(ConstraintError) -> TokenAutomaton? {
    var product: TokenAutomaton?
    for part in parts.sorted(by: { $0.automaton.stateCount < $1.automaton.stateCount }) {
      guard let known = product else {
        product = part.automaton
        continue
      }
      product = try known.product(part.automaton)
      if let product, !product.isSatisfiable { return product }
    }
    return product
  }

  /// Statements that no text meets together.
  ///
  /// A clash of one, two or three statements is found if there is one. Otherwise each statement
  /// that is not needed for the clash is dropped in turn.
  static func smallestClash(_ parts: [Part]) -> [Part] {
    let hard = parts.filter { !$0.constraint.isSoft }
    func isClash(_ some: [Part]) -> Bool {
      // A product that is too large to compute does not prove a clash.
      guard let product = try? product(some) else { return false }
      return !product.isSatisfiable
    }
    for one in hard where isClash([one]) { return [one] }
    for i in hard.indices {
      for j in hard.indices where j > i && isClash([hard[i], hard[j]]) {
        return [hard[i], hard[j]]
      }
    }
    if hard.count <= 16 {
      for i in hard.indices {
        for j in hard.indices where j > i {
          for k in hard.indices where k > j && isClash([hard[i], hard[j], hard[k]]) {
            return [hard[i], hard[j], hard[k]]
          }
        }
      }
    }
    var rest = hard
    var place = 0
    while place < rest.count {
      var fewer = rest
      fewer.remove(at: place)
      if isClash(fewer) { rest = fewer } else { place += 1 }
    }
    return rest
  }
}
