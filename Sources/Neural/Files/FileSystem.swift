// Licensed under the Apache License, Version 2.0.

import Foundation

/// Questions about folders of networks.
enum FileSystem {
  static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
  }

  static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }

  static func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// What to say of a folder without safetensors files.
  static func missingWeights(in folder: String) -> NeuralError {
    let endings = [".bin", ".pt", ".pth", ".ckpt"]
    if let pickle = names(in: folder).first(where: { name in
      endings.contains { name.hasSuffix($0) } && isPickle(folder + "/" + name)
    }) {
      return NeuralError("\(pickle): \(pickleAdvice)")
    }
    return NeuralError(
      "the folder has no weights (expected model.safetensors or model.safetensors.index.json)")
  }

  static func isPickle(_ path: String) -> Bool {
    guard let file = try? MappedFile(path), unsafe file.bytes.count >= 4 else { return false }
    return unsafe isPickle(file.bytes)
  }

  /// Whether bytes begin like a pickle or like the archive of pickles that PyTorch writes.
  static func isPickle(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= 4 else { return false }
    let isArchive = unsafe bytes[0] == 0x50 && bytes[1] == 0x4b && bytes[2] == 3 && bytes[3] == 4
    return unsafe isArchive || (bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5)
  }

  static let pickleAdvice =
    "this is a pickle, which can run any program when it is read, so gensample does not read it. "
    + "Convert it: python -c \"from transformers import AutoModel as M; "
    + "M.from_pretrained('FOLDER').save_pretrained('NEW')\", with AutoModelForCausalLM or "
    + "AutoModelForMaskedLM in place of AutoModel for a model with a head."
}

extension FileSystem {
  /// The largest config file; a chat template is the longest thing in them.
  private static let mostConfigBytes = 8 << 20

  /// A config file of a folder.
  static func json(_ name: String, in folder: String) throws(NeuralError) -> JSONValue {
    do throws(NeuralError) {
      return try JSONValue(contentsOf: folder + "/" + name, mostBytes: mostConfigBytes)
    } catch {
      throw NeuralError("\(name): \(error.description)")
    }
  }

  /// A short text file; nil if there is none, or it is not UTF-8.
  static func text(_ path: String) -> String? {
    guard let file = try? MappedFile(path), unsafe file.bytes.count <= mostConfigBytes else {
      return nil
    }
    return unsafe String(validating: file.bytes, as: UTF8.self)
  }

  /// What `tokenizer.json` adds to a text, without parsing its vocabulary; nil if it does not say.
  static func postProcessor(of folder: String) -> JSONValue? {
    guard let file = try? MappedFile(folder + "/tokenizer.json") else { return nil }
    let name = Array("\"post_processor\"".utf8)
    let bytes = unsafe file.bytes
    var at = 0
    while at + name.count < bytes.count {
      guard unsafe bytes[at] == name[0],
        unsafe bytes[(at + 1)..<(at + name.count)].elementsEqual(name[1...])
      else {
        at += 1
        continue
      }
      at += name.count
      while at < bytes.count, unsafe bytes[at] <= 0x20 { at += 1 }
      // Not a string of this spelling.
      guard at < bytes.count, unsafe bytes[at] == UInt8(ascii: ":") else { continue }
      return try? unsafe JSONValue(
        beginningOf: UnsafeRawBufferPointer(rebasing: bytes[(at + 1)...]))
    }
    return nil
  }

  /// A value of the YAML block at the beginning of a model card.
  static func frontMatter(_ key: String, of path: String) -> String? {
    guard let text = text(path), text.hasPrefix("---\n") else { return nil }
    for line in text.split(separator: "\n").dropFirst() {
      if line == "---" { return nil }
      if line.hasPrefix(key + ":") {
        let value = line.dropFirst(key.count + 1).filter { $0 != "\"" && $0 != "'" }
        let trimmed = value.drop { $0 == " " }
        return trimmed.isEmpty ? nil : String(trimmed)
      }
    }
    return nil
  }
}
