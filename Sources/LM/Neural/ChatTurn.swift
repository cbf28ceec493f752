// Licensed under the Apache License, Version 2.0.

internal import Neural

/// A turn of a chat that a text answers, as the user gives it.
public struct ChatTurn: Hashable, Sendable {
  /// What the user says.
  public var user: String
  /// What the system prompt says; `nil` for none.
  public var system: String?

  /// Creates a turn.
  public init(user: String, system: String? = nil) {
    self.user = user
    self.system = system
  }

  /// A part of the turn as a model reads it.
  enum Part {
    /// The format's own text, with control tokens.
    case frame(String)
    /// What somebody said: control tokens spelled in it are text.
    case said(String)
  }

  /// The turn in a format, up to where the answer begins.
  ///
  /// The begin token, where a format has one, is left to the beginning.
  func parts(_ format: NetworkDescription.ChatFormat) -> [Part] {
    switch format {
    case .chatML:
      turn("<|im_start|>system\n", "<|im_end|>\n", "<|im_start|>user\n", "<|im_end|>\n")
        + [.frame("<|im_start|>assistant\n")]
    case .llama3:
      turn(
        "<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>",
        "<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>")
        + [.frame("<|start_header_id|>assistant<|end_header_id|>\n\n")]
    case .llama2:
      [.frame("[INST] ")]
        + (system.map { [.frame("<<SYS>>\n"), .said($0), .frame("\n<</SYS>>\n\n")] } ?? [])
        + [.said(user), .frame(" [/INST]")]
    case .gemma:
      [.frame("<start_of_turn>user\n")] + (system.map { [.said($0), .frame("\n\n")] } ?? [])
        + [.said(user), .frame("<end_of_turn>\n<start_of_turn>model\n")]
    case .zephyr:
      turn("<|system|>\n", "</s>\n", "<|user|>\n", "</s>\n") + [.frame("<|assistant|>\n")]
    }
  }

  private func turn(
    _ beforeSystem: String, _ behindSystem: String, _ beforeUser: String, _ behindUser: String
  ) -> [Part] {
    (system.map { [.frame(beforeSystem), .said($0), .frame(behindSystem)] } ?? [])
      + [.frame(beforeUser), .said(user), .frame(behindUser)]
  }

  /// The turn's tokens.
  ///
  /// What is said may meet the format inside a token, so the whole is encoded at once; only if
  /// control tokens are spelled in what is said, its parts are encoded apart.
  func tokens(
    _ format: NetworkDescription.ChatFormat, _ tokenizer: any NetworkTokenizer
  ) throws(NeuralError) -> [Int32] {
    let parts = parts(format)
    var isPlain = true
    var whole = ""
    for part in parts {
      switch part {
      case .frame(let text): whole += text
      case .said(let text):
        whole += text
        let plain = try tokenizer.encode(text, specials: false)
        if try tokenizer.encode(text, specials: true) != plain { isPlain = false }
      }
    }
    if isPlain { return try tokenizer.encode(whole, specials: true) }
    var tokens: [Int32] = []
    for part in parts {
      switch part {
      case .frame(let text): tokens += try tokenizer.encode(text, specials: true)
      case .said(let text): tokens += try tokenizer.encode(text, specials: false)
      }
    }
    return tokens
  }
}
