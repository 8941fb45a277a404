"""The frame proxy against nginx static and Orthanc."""
