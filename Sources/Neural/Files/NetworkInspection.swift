// Licensed under the Apache License, Version 2.0.

/// What a network's files hold, even where gensample cannot run it.
package struct NetworkInspection: Sendable {
  /// The architecture as the files spell it.
  package let architecture: String
  package let description: NetworkDescription
  /// The network; nil where it cannot be opened.
  package let network: NetworkFile?
  /// What keeps it from being opened.
  package let fault: NeuralError?
  package let files: [MappedFile]
  private let tensors: TensorTable

  /// Reads the headers of a file or a folder.
  ///
  /// - Throws: `NeuralError` without the path, if not even the list of tensors can be read.
  package init(_ path: String) throws(NeuralError) {
    let network: NetworkFile
    do throws(NeuralError) {
      network = try NetworkFile.open(path)
    } catch {
      guard let listed = Self(listing: path, fault: error) else { throw error }
      self = listed
      return
    }
    try self.init(network)
  }

  /// Lists a network that is open.
  package init(_ network: NetworkFile) throws(NeuralError) {
    self.network = network
    fault = nil
    architecture = network.configuration.architecture.rawValue
    description = network.description
    files = network.files
    switch network.tokenizer {
    case .gguf(let file): tensors = file.tensors
    case .folder(let folder): tensors = try SafetensorsFile.open(folder: folder).tensors
    case .none: tensors = try TensorTable(network.weights.tensors)
    }
  }

  /// The header of a network that cannot be opened; nil if there is none.
  private init?(listing path: String, fault: NeuralError) {
    network = nil
    self.fault = fault
    if FileSystem.isFolder(path) {
      guard let config = try? FileSystem.json("config.json", in: path),
        let (table, files) = try? SafetensorsFile.open(folder: path)
      else { return nil }
      architecture = config["model_type"]?.string ?? "unknown"
      (tensors, self.files) = (table, files)
      description = NetworkDescription(
        folder: path, table: table,
        tokens: (try? .init(folder: path, config: config)) ?? NetworkDescription.Tokens())
    } else {
      guard let file = try? GGUFFile(path),
        let described = try? NetworkDescription(
          file, tokens: (try? .init(file)) ?? NetworkDescription.Tokens())
      else { return nil }
      architecture = (try? file.string("general.architecture")) ?? "unknown"
      (tensors, files) = (file.tensors, [file.file])
      description = described
    }
  }

  /// The tensors whose types gensample does not read.
  package var unreadable: [TensorTable.Entry] { tensors.entries.filter { $0.tensor == nil } }

  /// The bytes of all files of weights.
  package var byteCount: Int { files.reduce(0) { unsafe $0 + $1.bytes.count } }

  /// Reads every number and looks for one that is not finite.
  ///
  /// - Throws: `NeuralError` that names the first.
  package func checkNumbers() throws(NeuralError) {
    for entry in tensors.entries {
      guard let tensor = entry.tensor else { continue }
      for row in 0..<tensor.rows {
        let numbers = tensor.row(row)
        // A sum is finite only if all its parts are, and is quick.
        guard !numbers.reduce(0, { $0 + $1 * 0 }).isFinite,
          let column = numbers.firstIndex(where: { !$0.isFinite })
        else { continue }
        throw NeuralError(
          "the tensor '\(entry.name)' holds \(numbers[column]) in row \(row), column \(column) "
            + "(expected finite numbers). Fetch the file again.")
      }
    }
  }
}

extension TensorTable {
  /// Tensors that are already read.
  init(_ tensors: [Tensor]) throws(NeuralError) {
    self.init()
    for tensor in tensors {
      try unsafe add(
        .init(
          name: tensor.name, shape: tensor.shape, typeName: tensor.type.rawValue,
          byteCount: tensor.bytes.count, tensor: tensor))
    }
  }
}
