"""The heavy libraries: separation with Demucs or the fallback, transcription with madmom. Runs in its own process."""
