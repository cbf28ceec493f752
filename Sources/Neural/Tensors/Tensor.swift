/// A tensor inside a mapped file or in memory of its own.
///
/// Copying it copies no numbers.
///
/// `shape` is in the order of safetensors and NumPy: the last dimension is the one that lies together
/// in memory. A matrix that maps `inputs` numbers to `outputs` has the shape `[outputs, inputs]`, a
/// table of embeddings `[tokens, width]`. (GGUF files name the dimensions the other way round.)
@safe package struct Tensor: @unchecked Sendable {
  package let name: String
  package let type: TensorType
  package let shape: [Int]
  /// The stored numbers; valid as long as `owner` lives.
  package let bytes: UnsafeRawBufferPointer
  /// What keeps `bytes` alive: a mapping of the file, or a buffer.
  package let owner: AnyObject

  package init(
    name: String, type: TensorType, shape: [Int], bytes: UnsafeRawBufferPointer, owner: AnyObject
  ) {
    self.name = name
    self.type = type
    self.shape = shape
    unsafe self.bytes = unsafe bytes
    self.owner = owner
  }

  /// Rows of a matrix; 1 of a vector.
  package var rows: Int { shape.dropLast().reduce(1, *) }
  /// Numbers in a row.
  package var columns: Int { shape.last ?? 1 }
  package var rowBytes: Int { columns / type.blockLength * type.blockBytes }
}
