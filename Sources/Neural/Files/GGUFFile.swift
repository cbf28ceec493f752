// Licensed under the Apache License, Version 2.0.

/// A GGUF file, version 2 or 3: typed metadata and tensors.
///
/// Layout: gguf.md of ggml. Opening reads the header only; arrays are decoded when they are asked for.
package struct GGUFFile: Sendable {
  package let file: MappedFile
  package let version: Int
  /// Metadata in the order of the file.
  package private(set) var keys: [String] = []
  private var values: [String: GGUFValue] = [:]
  package private(set) var tensors = TensorTable()
  /// Multiple of which each tensor's offset is.
  package let alignment: Int
  /// Where the tensors' data begin.
  package let dataOffset: Int

  package init(_ path: String) throws(NeuralError) {
    try self.init(MappedFile(path))
  }

  package init(_ file: MappedFile) throws(NeuralError) {
    self.file = file
    var reader = unsafe ByteReader(file.bytes)
    guard try reader.integer(UInt32.self, for: "the header") == GGUFFile.magic else {
      throw NeuralError("byte 0: this is not a GGUF file (expected the letters 'GGUF')")
    }
    let version = try reader.integer(UInt32.self, for: "the header")
    guard version == 2 || version == 3 else {
      if version.byteSwapped == 2 || version.byteSwapped == 3 {
        throw NeuralError(
          "byte 4: the GGUF file is big-endian, which is not supported. "
            + "Convert it with gguf_convert_endian.py of llama.cpp.")
      }
      throw NeuralError(
        "byte 4: the version of GGUF is not supported (found \(version), expected 2 or 3)")
    }
    self.version = Int(version)
    // The smallest entries: a name without characters, a type and a value of one byte; a name, the
    // number of dimensions, one dimension, a type and an offset.
    let tensorCount = try reader.count(
      of: "tensors", bytesEach: 32, nameOfCount: "the number of tensors")
    let keyCount = try reader.count(
      of: "keys", bytesEach: 13, nameOfCount: "the number of metadata keys")
    for _ in 0..<keyCount {
      let start = reader.offset
      let key = try reader.string(for: "a metadata key")
      let value = try GGUFFile.value(&reader, of: key, in: file)
      guard values.updateValue(value, forKey: key) == nil else {
        throw NeuralError("byte \(start): the metadata key '\(key)' stands twice in the file")
      }
      keys.append(key)
    }
    alignment = try GGUFFile.alignment(values["general.alignment"])
    let places = try GGUFFile.places(&reader, count: tensorCount)
    // The data begin at the next multiple of the alignment.
    let excess = reader.offset % alignment
    dataOffset = reader.offset + (excess == 0 ? 0 : alignment - excess)
    try addTensors(places)
  }

  /// "GGUF" as a little-endian number.
  package static let magic: UInt32 = 0x4655_4747

  package subscript(key: String) -> GGUFValue? { values[key] }
}

/// A value of a GGUF file's metadata.
package enum GGUFValue: Sendable {
  /// Integers of all sizes; a UInt64 beyond Int is refused when the file is opened.
  case integer(Int)
  case number(Double)
  case boolean(Bool)
  case string(String)
  case array(GGUFArray)

  package var kind: String {
    switch self {
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .boolean(let value): "\(value)"
    case .string: "a string"
    case .array(let array): "an array of \(array.count)"
    }
  }
}

/// An array of a GGUF file's metadata, decoded when it is asked for.
package struct GGUFArray: Sendable {
  package enum Element: UInt32, Sendable {
    case uint8 = 0
    case int8, uint16, int16, uint32, int32, float32, bool, string
    /// Arrays of arrays are not supported.
    case array, uint64, int64, float64

    /// Bytes of one value; nil for strings.
    var size: Int? {
      switch self {
      case .uint8, .int8, .bool: 1
      case .uint16, .int16: 2
      case .uint32, .int32, .float32: 4
      case .uint64, .int64, .float64: 8
      case .string, .array: nil
      }
    }
  }

  package let element: Element
  package let count: Int
  let file: MappedFile
  /// The elements' bytes in the file; string lengths were checked when the file was opened.
  let range: Range<Int>

  /// Calls `body` with the bytes of each string; not at all if the elements are no strings.
  package func forEachString<Failure: Error>(
    _ body: (_ index: Int, _ bytes: UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    guard element == .string else { return }
    var at = range.lowerBound
    for i in 0..<count {
      let length = unsafe Int(
        UInt64(littleEndian: file.bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
      at += 8
      try unsafe body(i, UnsafeRawBufferPointer(rebasing: file.bytes[at..<(at + length)]))
      at += length
    }
  }

  /// The strings, nil if the elements are no strings.
  ///
  /// Bytes that are not UTF-8 become U+FFFD.
  package var strings: [String]? {
    guard element == .string else { return nil }
    var result: [String] = []
    result.reserveCapacity(count)
    unsafe forEachString { unsafe result.append(String(decoding: $1, as: UTF8.self)) }
    return result
  }

  /// The integers; nil if the elements are no integers, or too large.
  package var integers: [Int]? {
    guard element.size != nil, element != .float32, element != .float64 else { return nil }
    var reader = unsafe ByteReader(file.bytes, at: range.lowerBound)
    var result: [Int] = []
    result.reserveCapacity(count)
    for _ in 0..<count {
      guard let value = try? GGUFFile.scalar(&reader, element, of: ""),
        case .integer(let integer) = value
      else { return nil }
      result.append(integer)
    }
    return result
  }

  /// The numbers; nil if the elements are no numbers.
  package var numbers: [Double]? {
    var reader = unsafe ByteReader(file.bytes, at: range.lowerBound)
    guard element.size != nil, element != .bool else { return nil }
    var result: [Double] = []
    result.reserveCapacity(count)
    for _ in 0..<count {
      switch try? GGUFFile.scalar(&reader, element, of: "") {
      case .integer(let value): result.append(Double(value))
      case .number(let value): result.append(value)
      default: return nil
      }
    }
    return result
  }
}

extension GGUFFile {
  /// A number of metadata that must be an integer if it is there.
  package func integer(_ key: String) throws(NeuralError) -> Int? {
    switch values[key] {
    case nil: nil
    case .integer(let value): value
    case let value?: throw wrong(key, value, expected: "an integer")
    }
  }

  package func number(_ key: String) throws(NeuralError) -> Double? {
    switch values[key] {
    case nil: nil
    case .integer(let value): Double(value)
    case .number(let value): value
    case let value?: throw wrong(key, value, expected: "a number")
    }
  }

  package func boolean(_ key: String) throws(NeuralError) -> Bool? {
    switch values[key] {
    case nil: nil
    case .boolean(let value): value
    case let value?: throw wrong(key, value, expected: "true or false")
    }
  }

  package func string(_ key: String) throws(NeuralError) -> String? {
    switch values[key] {
    case nil: nil
    case .string(let value): value
    case let value?: throw wrong(key, value, expected: "a string")
    }
  }

  package func array(_ key: String) throws(NeuralError) -> GGUFArray? {
    switch values[key] {
    case nil: nil
    case .array(let value): value
    case let value?: throw wrong(key, value, expected: "an array")
    }
  }

  private func wrong(_ key: String, _ value: GGUFValue, expected: String) -> NeuralError {
    NeuralError("the metadata key '\(key)' is wrong (found \(value.kind), expected \(expected))")
  }
}

// Parsing.
extension GGUFFile {
  /// A tensor as the header states it.
  private struct Place {
    let name: String
    let shape: [Int]
    let typeNumber: UInt32
    let offset: UInt64
    /// Where the entry stands in the file.
    let entry: Int
  }

  fileprivate static func scalar(
    _ reader: inout ByteReader, _ element: GGUFArray.Element, of key: String
  ) throws(NeuralError) -> GGUFValue {
    let what = "the value of '\(key)'"
    switch element {
    case .uint8: return .integer(Int(try reader.integer(UInt8.self, for: what)))
    case .int8: return .integer(Int(try reader.integer(Int8.self, for: what)))
    case .uint16: return .integer(Int(try reader.integer(UInt16.self, for: what)))
    case .int16: return .integer(Int(try reader.integer(Int16.self, for: what)))
    case .uint32: return .integer(Int(try reader.integer(UInt32.self, for: what)))
    case .int32: return .integer(Int(try reader.integer(Int32.self, for: what)))
    case .float32:
      return .number(Double(Float(bitPattern: try reader.integer(UInt32.self, for: what))))
    case .bool: return .boolean(try reader.integer(UInt8.self, for: what) != 0)
    case .uint64:
      let start = reader.offset
      let value = try reader.integer(UInt64.self, for: what)
      guard let integer = Int(exactly: value) else {
        throw NeuralError("byte \(start): \(what) is too large (found \(value))")
      }
      return .integer(integer)
    case .int64: return .integer(Int(try reader.integer(Int64.self, for: what)))
    case .float64:
      return .number(Double(bitPattern: try reader.integer(UInt64.self, for: what)))
    case .string: return .string(try reader.string(for: what))
    case .array: preconditionFailure("an array is no scalar")
    }
  }

  private static func element(
    _ reader: inout ByteReader, of key: String
  ) throws(NeuralError) -> GGUFArray.Element {
    let start = reader.offset
    let number = try reader.integer(UInt32.self, for: "the type of '\(key)'")
    guard let element = GGUFArray.Element(rawValue: number) else {
      throw NeuralError(
        "byte \(start): the type of '\(key)' is unknown (found \(number), expected 0 to 12)")
    }
    return element
  }

  private static func value(
    _ reader: inout ByteReader, of key: String, in file: MappedFile
  ) throws(NeuralError) -> GGUFValue {
    let element = try element(&reader, of: key)
    guard element == .array else { return try scalar(&reader, element, of: key) }
    let start = reader.offset
    let inner = try self.element(&reader, of: key)
    guard inner != .array else {
      throw NeuralError("byte \(start): '\(key)' is an array of arrays, which is not supported")
    }
    let count = try reader.count(
      of: "elements", bytesEach: inner.size ?? 8, nameOfCount: "the number of elements of '\(key)'")
    let first = reader.offset
    if let size = inner.size {
      try reader.skip(count * size, for: "the elements of '\(key)'")
    } else {
      for _ in 0..<count { _ = try reader.stringBytes(for: "an element of '\(key)'") }
    }
    return .array(
      GGUFArray(element: inner, count: count, file: file, range: first..<reader.offset))
  }

  private static func alignment(_ value: GGUFValue?) throws(NeuralError) -> Int {
    guard let value else { return 32 }
    guard case .integer(let alignment) = value, alignment >= 4, alignment <= 1 << 20,
      alignment & (alignment - 1) == 0
    else {
      throw NeuralError(
        "the metadata key 'general.alignment' is wrong (found \(value.kind), expected a power of "
          + "two from 4 to 1048576)")
    }
    return alignment
  }

  private static func places(
    _ reader: inout ByteReader, count: Int
  ) throws(NeuralError) -> [Place] {
    var places: [Place] = []
    places.reserveCapacity(count)
    for _ in 0..<count {
      let entry = reader.offset
      let name = try reader.string(for: "the name of a tensor")
      let start = reader.offset
      let dimensions = try reader.integer(UInt32.self, for: "the shape of '\(name)'")
      guard dimensions >= 1 && dimensions <= 4 else {
        throw NeuralError(
          "byte \(start): the number of dimensions of '\(name)' is wrong (found \(dimensions), "
            + "expected 1 to 4)")
      }
      var shape: [Int] = []
      for _ in 0..<dimensions {
        let start = reader.offset
        let size = try reader.integer(UInt64.self, for: "the shape of '\(name)'")
        guard size >= 1 && size <= 1 << 40 else {
          throw NeuralError(
            "byte \(start): a dimension of '\(name)' is wrong (found \(size), expected 1 to 2^40)")
        }
        shape.append(Int(size))
      }
      places.append(
        Place(
          name: name, shape: shape.reversed(),
          typeNumber: try reader.integer(UInt32.self, for: "the type of '\(name)'"),
          offset: try reader.integer(UInt64.self, for: "the offset of '\(name)'"), entry: entry))
    }
    return places
  }

  private mutating func addTensors(_ places: [Place]) throws(NeuralError) {
    let available = unsafe max(file.bytes.count - dataOffset, 0)
    var taken: [(start: Int, end: Int, name: String)] = []
    for place in places {
      let name = place.name
      guard place.offset % UInt64(alignment) == 0 else {
        throw NeuralError(
          "byte \(place.entry): the offset of the tensor '\(name)' is misaligned (found "
            + "\(place.offset), expected a multiple of \(alignment))")
      }
      guard place.offset < UInt64(max(available, 1)) else {
        throw NeuralError(
          "byte \(place.entry): the tensor '\(name)' lies behind the end of the file (found offset "
            + "\(place.offset), but there are \(available) bytes of data)")
      }
      let offset = Int(place.offset)
      guard let type = TensorType(ggml: place.typeNumber) else {
        try tensors.add(
          .init(
            name: name, shape: place.shape, typeName: TensorType.ggmlName(place.typeNumber),
            byteCount: nil, tensor: nil))
        continue
      }
      let columns = place.shape.last ?? 1
      guard columns % type.blockLength == 0 else {
        throw NeuralError(
          "byte \(place.entry): a row of the tensor '\(name)' has no whole number of blocks (found "
            + "\(columns) numbers, expected a multiple of \(type.blockLength) for "
            + "\(type.rawValue))")
      }
      guard let count = type.byteCount(shape: place.shape), count <= available - offset else {
        throw NeuralError(
          "byte \(place.entry): the tensor '\(name)' reaches behind the end of the file (shape "
            + "\(place.shape), type \(type.rawValue), offset \(offset), but there are \(available) "
            + "bytes of data). The file may be incomplete.")
      }
      taken.append((offset, offset + count, name))
      let start = dataOffset + offset
      try unsafe tensors.add(
        .init(
          name: name, shape: place.shape, typeName: type.rawValue, byteCount: count,
          tensor: Tensor(
            name: name, type: type, shape: place.shape,
            bytes: UnsafeRawBufferPointer(rebasing: file.bytes[start..<(start + count)]),
            owner: file)))
    }
    taken.sort { $0.start < $1.start }
    for (a, b) in zip(taken, taken.dropFirst()) where a.end > b.start {
      throw NeuralError(
        "the tensors '\(a.name)' and '\(b.name)' overlap in the file (the first ends at byte "
          + "\(dataOffset + a.end), the second starts at byte \(dataOffset + b.start))")
    }
  }
}

extension TensorType {
  /// The type with this number in ggml.h; nil if it is not supported.
  package init?(ggml number: UInt32) {
    guard let type = TensorType.allCases.first(where: { $0.ggmlNumber == number }) else {
      return nil
    }
    self = type
  }

  /// The number of this type in ggml.h.
  package var ggmlNumber: UInt32 {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q5_0: 6
    case .q5_1: 7
    case .q8_0: 8
    case .q2_K: 10
    case .q3_K: 11
    case .q4_K: 12
    case .q5_K: 13
    case .q6_K: 14
    case .bf16: 30
    }
  }

  /// What ggml.h calls the type with this number.
  package static func ggmlName(_ number: UInt32) -> String {
    if let type = TensorType(ggml: number) { return type.rawValue }
    let others: [UInt32: String] = [
      4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
      19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16",
      26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
    ]
    return others[number] ?? "number \(number)"
  }
}
