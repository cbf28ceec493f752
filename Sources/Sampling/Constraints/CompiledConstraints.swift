// Licensed under the Apache License, Version 2.0.

/// Statements compiled for a vocabulary: one automaton for all, and each one's own.
public struct CompiledConstraints: Sendable {
  /// A statement and its automaton.
  public struct Part: Sendable {
    /// What was said.
    public let constraint: Constraint
    /// Its own automaton.
    public let automaton: TokenAutomaton

    /// A statement with its automaton.
    public init(constraint: Constraint, automaton: TokenAutomaton) {
      self.constraint = constraint
      self.automaton = automaton
    }
  }

  /// What keeps statements from being sampled under.
  public enum Fault: Error, Sendable {
    /// A statement of its own.
    case impossible(Constraint, ConstraintError)
    /// All together.
    case tooLarge(ConstraintError)
    /// No text meets all of these; each is needed for that.
    case clash([Constraint])
    /// The weights of longer and longer texts add up without end.
    case divergent(Constraint)
  }

  /// The statements that have automata, in order.
  public let parts: [Part]
  /// All statements together; `nil` where none limits or weighs texts.
  public let automaton: TokenAutomaton?
  /// The exponent of the model's probability, the product of all `fluency` statements.
  public let fluency: Double
  /// The statement by which longer and longer texts may weigh more and more; `nil` where none does,
  /// as far as statements alone tell.
  public let growing: Constraint?

  /// Compiles statements.
  ///
  /// - Parameters:
  ///   - constraints: what is said of texts; all hold together.
  ///   - tree: the vocabulary.
  ///   - refusingDivergence: whether to refuse what may weigh longer and longer texts without end,
  ///     as far as statements alone tell; exact sums can tell better.
  /// - Throws: ``Fault``, with a smallest set of statements that contradict each other.
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

  /// The automaton of all parts, small ones first.
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

  /// Parts that no text meets together: one, two or three if so few do it, else as many as
  /// remain when each that is not needed is left out.
  static func smallestClash(_ parts: [Part]) -> [Part] {
    let hard = parts.filter { !$0.constraint.isSoft }
    func isClash(_ some: [Part]) -> Bool {
      // What is too large to multiply is not known to clash.
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
