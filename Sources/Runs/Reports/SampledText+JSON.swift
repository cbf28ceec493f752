// Licensed under the Apache License, Version 2.0.

extension SampledText {
  /// The text as a line of `samples.jsonl` and of a command's output.
  package func object(ofLine line: Int?) -> JSONObject {
    var object = JSONObject()
    object.add("type", .string("sample"))
    object.add("text", .string(text))
    object.add("tokens", .integers(tokens))
    object.add("log_probability", .number(logProbability))
    object.add("log_model", .number(logModel))
    object.add("satisfied", .boolean(isSatisfied))
    if let chain { object.add("chain", .integer(chain)) }
    if let step { object.add("step", .integer(step)) }
    if let draw { object.add("draw", .integer(draw)) }
    if let logWeight { object.add("log_weight", .number(logWeight)) }
    if let probability { object.add("probability", .number(probability)) }
    if let line { object.add("target", .integer(line)) }
    return object
  }
}
