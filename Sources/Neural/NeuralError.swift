/// What is wrong with a network's file, or with what is asked of a network.
///
/// The message names the place (byte, tensor, key), what was found and what was expected, and does not
/// repeat the file's name: who opened the file puts it in front.
package struct NeuralError: Error, Equatable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) {
    self.description = description
  }
}
