"""Problems with a difficulty dial, one file each."""
