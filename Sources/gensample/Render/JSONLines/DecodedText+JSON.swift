// Licensed under the Apache License, Version 2.0.

import Runs

extension DecodedTextReport {
  /// The text as a JSON object, with the steps that led to it, if they are to be explained.
  func object(steps: [JSONObject]?) -> JSONObject {
    var object = JSONObject()
    object.add("type", .string("sample"))
    object.add("text", .string(text))
    object.add("tokens", .integers(tokens))
    object.add("log_probability", .number(logProbability))
    object.add("log_model", .number(logModel))
    object.add("log_drawn", .number(logDrawn))
    if let logInclusion { object.add("log_inclusion", .number(logInclusion)) }
    if let score { object.add("score", .number(score)) }
    if let group { object.add("group", .integer(group)) }
    if let scoreReason { object.add("score_reason", .string(scoreReason)) }
    if let alternative {
      object.add("alternative", .integer(alternative.token))
      object.add("spelling", .string(alternative.spelling))
      object.add("alternative_log_probability", .number(alternative.logProbability))
    }
    if let isSatisfied { object.add("satisfied", .boolean(isSatisfied)) }
    object.add("finished", .boolean(isFinished))
    object.add("reason", .string(reason.rawValue))
    if let stopToken { object.add("stop_token", .string(stopToken)) }
    if let stop { object.add("stop", .string(stop)) }
    if let loop { object.add("loop", .string(loop)) }
    if let steps { object.add("steps", .objects(steps)) }
    return object
  }
}
