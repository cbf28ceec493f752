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
    guard unsafe bytes.count >= 4 else { return false }
    let isArchive = unsafe bytes[0] == 0x50 && bytes[1] == 0x4b && bytes[2] == 3 && bytes[3] == 4
    return unsafe isArchive || (bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5)
  }

  static let pickleAdvice =
    "this is a pickle, which can run any program when it is read, so gensample does not read it. "
    + "Convert it: python -c \"from transformers import AutoModel as M; "
    + "M.from_pretrained('FOLDER').save_pretrained('NEW')\", with AutoModelForCausalLM or "
    + "AutoModelForMaskedLM in place of AutoModel for a model with a head."
}
