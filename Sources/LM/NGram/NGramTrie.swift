// Licensed under the Apache License, Version 2.0.

public import Sampling

/// An uncompressed, sorted back-off model.
///
/// Training and the ARPA reader make it, and every format is written from it.
///
/// Every prefix and every suffix of a listed n-gram is listed. If a source lacks one, it is
/// inserted with the probability that backing off gives, which changes no probability.
public struct NGramTrie: Sendable {
  /// The n-grams of one order, sorted by their words from left to right, by token index.
  public struct Level: Sendable {
    /// Last word of each n-gram; at order 1 the n-th word is token n.
    public var words: FlatBuffer<UInt32>
    /// log10 of the probability, as ARPA files hold it.
    public var logProbabilities: FlatBuffer<Float>
    /// log10 of the back-off weight, 0 if none is given; empty at the highest order.
    public var backoffs: FlatBuffer<Float>
    /// The place of each n-gram's first child in the next order, count + 1 numbers; empty at the
    /// highest order.
    public var firstChildren: FlatBuffer<UInt32>

    /// Creates a level from its tables.
    public init(
      words: FlatBuffer<UInt32>, logProbabilities: FlatBuffer<Float>,
      backoffs: FlatBuffer<Float>, firstChildren: FlatBuffer<UInt32>
    ) {
      self.words = words
      self.logProbabilities = logProbabilities
      self.backoffs = backoffs
      self.firstChildren = firstChildren
    }

    /// The number of n-grams in the level.
    public var count: Int { words.count }
  }

  /// The tokens that the model knows.
  public var vocabulary: Vocabulary
  /// Order k at index k - 1.
  public var levels: [Level]
  /// Facts about its training, for cards and `inspect`.
  public var description: [(key: String, value: String)]

  /// Creates a model from sorted levels.
  public init(
    vocabulary: Vocabulary, levels: [Level], description: [(key: String, value: String)] = []
  ) {
    precondition(
      !levels.isEmpty && levels[0].count == vocabulary.count, "order 1 lists the vocabulary")
    self.vocabulary = vocabulary
    self.levels = levels
    self.description = description
  }

  /// The number of tokens in the longest n-grams.
  public var order: Int { levels.count }
}
