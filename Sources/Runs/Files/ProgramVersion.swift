// Licensed under the Apache License, Version 2.0.

/// The version of the program, as `--version` prints it and run folders keep it.
package let programVersion = "0.1.0"
