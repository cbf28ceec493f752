/// The tensors of one network by their part, whatever its file calls them.
///
/// Matrices have the shape `[outputs, inputs]`, vectors `[width]`. A loader checks every shape against
/// the configuration, so the engine need not.
package struct NetworkWeights: Sendable {
  /// A linear map with an optional bias.
  package struct Linear: Sendable {
    package var matrix: Tensor
    package var bias: Tensor?
    package init(_ matrix: Tensor, bias: Tensor? = nil) {
      self.matrix = matrix
      self.bias = bias
    }
  }

  /// A norm's factors and, for layer norm, its offsets.
  ///
  /// Factors are applied as they are (Gemma's
  /// "+1" of safetensors files is added by the loader).
  package struct Norm: Sendable {
    package var weight: Tensor
    package var bias: Tensor?
    package init(_ weight: Tensor, bias: Tensor? = nil) {
      self.weight = weight
      self.bias = bias
    }
  }

  package struct Block: Sendable {
    /// Before attention; behind its residual sum where `normsAfterSums`.
    package var attentionNorm: Norm
    package var query: Linear
    package var key: Linear
    package var value: Linear
    /// Norms of each head's queries and keys, before the rotation.
    package var queryNorm: Norm?
    package var keyNorm: Norm?
    package var attentionOutput: Linear
    /// On attention's result before the residual sum (Gemma 3).
    package var postAttentionNorm: Norm?
    /// Before the feed-forward part; behind its residual sum where `normsAfterSums`.
    package var feedForwardNorm: Norm
    package var gate: Linear?
    package var up: Linear
    package var down: Linear
    /// On the feed-forward part's result before the residual sum (Gemma 3).
    package var postFeedForwardNorm: Norm?

    package init(
      attentionNorm: Norm, query: Linear, key: Linear, value: Linear, queryNorm: Norm? = nil,
      keyNorm: Norm? = nil, attentionOutput: Linear, postAttentionNorm: Norm? = nil,
      feedForwardNorm: Norm, gate: Linear? = nil, up: Linear, down: Linear,
      postFeedForwardNorm: Norm? = nil
    ) {
      self.attentionNorm = attentionNorm
      self.query = query
      self.key = key
      self.value = value
      self.queryNorm = queryNorm
      self.keyNorm = keyNorm
      self.attentionOutput = attentionOutput
      self.postAttentionNorm = postAttentionNorm
      self.feedForwardNorm = feedForwardNorm
      self.gate = gate
      self.up = up
      self.down = down
      self.postFeedForwardNorm = postFeedForwardNorm
    }
  }

  /// Between the last block and the head of a masked model: norm(activation(dense x)).
  package struct HeadTransform: Sendable {
    package var dense: Linear
    package var norm: Norm
    package init(dense: Linear, norm: Norm) {
      self.dense = dense
      self.norm = norm
    }
  }

  package var tokenEmbedding: Tensor
  package var positionEmbedding: Tensor?
  /// Row 0 is added at every position (BERT).
  package var typeEmbedding: Tensor?
  package var embeddingNorm: Norm?
  package var blocks: [Block]
  package var finalNorm: Norm?
  package var headTransform: HeadTransform?
  /// Gives the logits; nil for a network without head (a sentence embedder).
  ///
  /// Often the same tensor as
  /// `tokenEmbedding`.
  package var head: Linear?

  package init(
    tokenEmbedding: Tensor, positionEmbedding: Tensor? = nil, typeEmbedding: Tensor? = nil,
    embeddingNorm: Norm? = nil, blocks: [Block], finalNorm: Norm? = nil,
    headTransform: HeadTransform? = nil, head: Linear? = nil
  ) {
    self.tokenEmbedding = tokenEmbedding
    self.positionEmbedding = positionEmbedding
    self.typeEmbedding = typeEmbedding
    self.embeddingNorm = embeddingNorm
    self.blocks = blocks
    self.finalNorm = finalNorm
    self.headTransform = headTransform
    self.head = head
  }
}
