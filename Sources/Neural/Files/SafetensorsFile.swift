// Licensed under the Apache License, Version 2.0.

/// The tensors of one safetensors file: a JSON header with the places, then the data.
package struct SafetensorsFile: Sendable {
  package let file: MappedFile
  package private(set) var tensors = TensorTable()
  package let metadata: [String: String]

  /// What the reference implementation allows, too.
  private static let mostHeaderBytes = 100_000_000

  package init(_ path: String) throws(NeuralError) {
    try self.init(MappedFile(path))
  }

  package init(_ file: MappedFile) throws(NeuralError) {
    self.file = file
    var reader = unsafe ByteReader(file.bytes)
    let stated = try reader.integer(UInt64.self, for: "the length of the header")
    guard stated >= 2, stated <= UInt64(min(reader.left, SafetensorsFile.mostHeaderBytes)) else {
      throw NeuralError(
        "byte 0: the length of the header is wrong (found \(stated), expected at most "
          + "\(min(reader.left, SafetensorsFile.mostHeaderBytes)))")
    }
    let dataOffset = 8 + Int(stated)
    let header: JSONValue
    do throws(NeuralError) {
      header = try unsafe JSONValue(
        parsing: UnsafeRawBufferPointer(rebasing: file.bytes[8..<dataOffset]))
    } catch {
      throw NeuralError("the header, which starts at byte 8: \(error.description)")
    }
    guard let object = header.object else {
      throw NeuralError("byte 8: the header is wrong (found \(header.kind), expected an object)")
    }
    var metadata: [String: String] = [:]
    for member in object["__metadata__"]?.object?.members ?? [] {
      metadata[member.name] = member.value.string
    }
    self.metadata = metadata
    let available = unsafe file.bytes.count - dataOffset
    var taken: [(start: Int, end: Int, name: String)] = []
    for member in object.members where member.name != "__metadata__" {
      let place = try SafetensorsFile.place(member, available: available)
      if place.end > place.start { taken.append((place.start, place.end, member.name)) }
      try tensors.add(tensor(member.name, place, dataOffset: dataOffset))
    }
    taken.sort { $0.start < $1.start }
    for (a, b) in zip(taken, taken.dropFirst()) where a.end > b.start {
      throw NeuralError(
        "the tensors '\(a.name)' and '\(b.name)' overlap in the file (the first ends at byte "
          + "\(dataOffset + a.end), the second starts at byte \(dataOffset + b.start))")
    }
  }

  private struct Place {
    let typeName: String
    let shape: [Int]
    let start: Int
    let end: Int
  }

  private static func place(
    _ member: JSONValue.Object.Member, available: Int
  ) throws(NeuralError) -> Place {
    let name = member.name
    func wrong(_ what: String, _ expected: String) -> NeuralError {
      NeuralError(
        "the header's \(what) of the tensor '\(name)' is wrong (found "
          + "\(member.value[what]?.kind ?? "nothing"), expected \(expected))")
    }
    guard let typeName = member.value["dtype"]?.string else { throw wrong("dtype", "a string") }
    guard let sizes = member.value["shape"]?.array, sizes.count <= 8 else {
      throw wrong("shape", "an array of at most 8 sizes")
    }
    var shape: [Int] = []
    for size in sizes {
      guard let size = size.integer, size >= 0, size <= 1 << 40 else {
        throw wrong("shape", "sizes from 0 to 2^40")
      }
      shape.append(size)
    }
    guard let offsets = member.value["data_offsets"]?.array, offsets.count == 2,
      let start = offsets[0].integer, let end = offsets[1].integer
    else { throw wrong("data_offsets", "two integers") }
    guard start >= 0, end >= start, end <= available else {
      throw NeuralError(
        "the tensor '\(name)' lies outside the file (found bytes \(start) to \(end) of the data, "
          + "but there are \(available)). The file may be incomplete.")
    }
    return Place(typeName: typeName, shape: shape, start: start, end: end)
  }

  private func tensor(
    _ name: String, _ place: Place, dataOffset: Int
  ) throws(NeuralError) -> TensorTable.Entry {
    guard let type = ["F32": .f32, "F16": .f16, "BF16": .bf16][place.typeName] as TensorType?,
      !place.shape.contains(0)
    else {
      return .init(
        name: name, shape: place.shape, typeName: place.typeName,
        byteCount: place.end - place.start, tensor: nil)
    }
    let count = place.end - place.start
    guard type.byteCount(shape: place.shape) == count else {
      throw NeuralError(
        "the tensor '\(name)' has the wrong size (found \(count) bytes for the shape "
          + "\(place.shape) and the type \(place.typeName))")
    }
    let start = dataOffset + place.start
    var bytes = unsafe UnsafeRawBufferPointer(rebasing: file.bytes[start..<(start + count)])
    var owner: AnyObject = file
    if start % type.blockBytes != 0 {
      // The format does not ask for alignment; files of old versions are copied.
      let memory = TensorMemory(byteCount: count)
      unsafe memory.bytes.copyMemory(from: bytes)
      unsafe bytes = UnsafeRawBufferPointer(rebasing: memory.bytes[..<count])
      owner = memory
    }
    return unsafe .init(
      name: name, shape: place.shape, typeName: place.typeName, byteCount: count,
      tensor: Tensor(name: name, type: type, shape: place.shape, bytes: bytes, owner: owner))
  }
}

extension SafetensorsFile {
  /// The tensors of a folder in Hugging Face's layout, in one file or in several, and the files.
  package static func open(
    folder: String
  ) throws(NeuralError) -> (tensors: TensorTable, files: [MappedFile]) {
    let single = folder + "/model.safetensors"
    if FileSystem.exists(single) {
      let file = try SafetensorsFile.named("model.safetensors", in: folder)
      return (file.tensors, [file.file])
    }
    let indexName = "model.safetensors.index.json"
    guard FileSystem.exists(folder + "/" + indexName) else {
      throw FileSystem.missingWeights(in: folder)
    }
    let index: JSONValue
    do throws(NeuralError) {
      index = try JSONValue(contentsOf: folder + "/" + indexName)
    } catch {
      throw NeuralError("\(indexName): \(error.description)")
    }
    guard let map = index["weight_map"]?.object else {
      throw NeuralError(
        "\(indexName): 'weight_map' is wrong (found \(index["weight_map"]?.kind ?? "nothing"), "
          + "expected an object)")
    }
    var parts: [(file: String, tensors: [String])] = []
    var places: [String: Int] = [:]
    for member in map.members {
      guard let name = member.value.string, !name.contains("/"), name != "..", !name.isEmpty else {
        throw NeuralError(
          "\(indexName): the file of the tensor '\(member.name)' is wrong (expected the name of a "
            + "file in the same folder)")
      }
      if let place = places[name] {
        parts[place].tensors.append(member.name)
      } else {
        places[name] = parts.count
        parts.append((name, [member.name]))
      }
    }
    guard parts.count <= 1000 else {
      throw NeuralError(
        "\(indexName): too many files (found \(parts.count), expected at most 1000)")
    }
    var tensors = TensorTable()
    var files: [MappedFile] = []
    for (name, wanted) in parts {
      let part = try SafetensorsFile.named(name, in: folder)
      files.append(part.file)
      for tensor in wanted {
        guard let entry = part.tensors[tensor] else {
          throw NeuralError(
            "\(name): the tensor '\(tensor)' is missing, which \(indexName) says is there")
        }
        try tensors.add(entry)
      }
    }
    return (tensors, files)
  }

  private static func named(
    _ name: String, in folder: String
  ) throws(NeuralError) -> SafetensorsFile {
    do throws(NeuralError) {
      return try SafetensorsFile(folder + "/" + name)
    } catch {
      throw NeuralError("\(name): \(error.description)")
    }
  }
}
