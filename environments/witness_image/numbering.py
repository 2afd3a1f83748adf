"""Pids in a node's own namespace of programs that are gone before theirs could be read."""


class Numbers:
    """The pids of one pid namespace, in which the kernel hands them out one after the other.

    A program that is gone before its own pid could be read has the number between its neighbours'. That is said only
    where nothing else can have taken it: as many numbers were handed out as forks were reported, and of several
    missing ones it is certain which came first.
    """

    def __init__(self):
        """Nothing was handed out yet."""
        self.forks = 0
        self.known = None  # (fork, number)
        self.missing = []  # (fork, parent, pid, time)
        self.certain = True  # the order of the missing ones
        self.gone = set()  # of the missing ones

    def exited(self, pid):
        """Note that a process has ended: what is forked from now on has a later number."""
        if any(entry[2] == pid for entry in self.missing):
            self.gone.add(pid)

    def fork(self, parent, pid, when, number):
        """Take one fork, of a thread (pid None) or a process; returns (pid, time, number) of what is clear now."""
        self.forks += 1
        if pid is None:
            return []
        if number is None:
            self.certain = self.certain and self._follows(parent)
            self.missing.append((self.forks, parent, pid, when))
            return []
        found = []
        if self.missing and self.certain and self.known and number - self.known[1] == self.forks - self.known[0]:
            first_fork, first_number = self.known
            found = [(pid, when, first_number + at - first_fork) for at, _parent, pid, when in self.missing]
        self.known, self.missing, self.certain, self.gone = (self.forks, number), [], True, set()
        return found

    def _follows(self, parent):
        """Whether a child of this parent surely came after the latest missing one: its sibling, its child, or later."""
        if not self.missing:
            return True
        _fork, before, pid, _when = self.missing[-1]
        return parent in (before, pid) or pid in self.gone
