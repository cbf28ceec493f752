// Licensed under the Apache License, Version 2.0.

internal import Foundation

/// The system's text for an error number.
package func systemErrorText(_ number: Int32 = errno) -> String {
  unsafe String(cString: strerror(number))
}
