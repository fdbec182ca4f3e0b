"""One walk through everything written: each mapping is met once, however often it is referred to.

The cost follows the size of the files as written, never that of the resolved document. From the root document the
walk goes on to what it refers to in other files, and only there: a file of shared schemas is not searched beyond
what is used of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.lint.subject import Link, Reference, Subject, Visit, steps_of
from apigw_cli.openapi.document import Document, Node, in_data

Handler = Callable[[Visit], None]
Targets = dict[tuple[str, str], "Node | InputError"]


def walk(subject: Subject, handlers: dict[str, list[Handler]], targets: Targets) -> None:
    """Call the handlers of each key met, and fill `subject.references` and `targets`."""
    _Walk(subject, handlers, targets).run()


class _Walk:
    def __init__(self, subject: Subject, handlers: dict[str, list[Handler]], targets: Targets) -> None:
        self.subject = subject
        self.handlers = handlers
        self.targets = targets
        self.seen: set[int] = set()  # containers of other documents: their parts are met by several references

    def run(self) -> None:
        root = self.subject.document
        self._tree(root, root.data, None, whole=True)
        done = 0
        references = self.subject.references
        while done < len(references):  # grows on the way
            self._hop(references[done])
            done += 1

    def _tree(self, document: Document, data: Any, link: Link, *, whole: bool) -> None:
        handlers, seen, references = self.handlers, self.seen, self.subject.references
        stack: list[tuple[Any, Link]] = [(data, link)]
        while stack:
            node, link = stack.pop()
            if not whole:
                if id(node) in seen:
                    continue
                seen.add(id(node))
            if type(node) is dict:
                for key, value in node.items():
                    if key in handlers:
                        for handler in handlers[key]:
                            handler(Visit(node, key, document, link, self.subject))
                    kind = type(value)
                    if kind is dict or kind is list:
                        stack.append((value, (link, key)))
                    elif key == "$ref" and kind is str:
                        references.append(Reference(value, document, link))
                        if not whole:
                            self.subject.foreign[id(node)] = document
            elif type(node) is list:
                for index, value in enumerate(node):
                    if type(value) is dict or type(value) is list:
                        stack.append((value, (link, index)))

    def _hop(self, reference: Reference) -> None:
        """Look the reference up, once for each text and document; go on in the file that it names."""
        document = reference.document
        key = (document.name, reference.text)
        if key in self.targets:
            return
        if in_data(steps_of(reference.link)):
            return
        try:
            target = self.subject.library.target(document, reference.text)
        except InputError as error:
            self.targets[key] = error
            return
        self.targets[key] = target
        if target.document is not self.subject.document:
            self._enter(target)

    def _enter(self, target: Node) -> None:
        link: Link = None
        for step in target.path:
            link = (link, step)
        self._tree(target.document, target.data, link, whole=False)


def targets_of(subject: Subject, targets: Targets) -> list[tuple[Reference, Node | InputError]]:
    """Each reference with what it leads to; those in the user's own data are left out."""
    found = []
    for reference in subject.references:
        target = targets.get((reference.document.name, reference.text))
        if target is not None and not (isinstance(target, InputError) and in_data(steps_of(reference.link))):
            found.append((reference, target))
    return found
