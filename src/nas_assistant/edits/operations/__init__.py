"""Edit operations, one a file; adding one is adding a file.

A module here that does not start with an underscore defines one subclass of
:class:`nas_assistant.edits.BaseEditOperation`.
"""
