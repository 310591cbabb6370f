"""The program of the Flex Template: the command line, with the template's parameters."""

import sys

from beam_pipeline.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
