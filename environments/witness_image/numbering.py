"""Pids in a node's own namespace of programs that are gone before theirs could be read."""


class Numbers:
    """The pids of one pid namespace, in which the kernel hands them out one after the other.

    A program that is gone before its own pid could be read has the number between its neighbours'. That is said only
    where nothing else can have taken it: as many numbers were handed out as forks were reported, and of several
    missing ones all have the same parent, which makes one after the other.
    """

    def __init__(self):
        """Nothing was handed out yet."""
        self.forks = 0
        self.known = None  # (fork, number)
        self.missing = []  # (fork, parent, pid, time)

    def fork(self, parent, pid, when, number):
        """Take one fork, of a thread (pid None) or a process; returns (pid, time, number) of what is clear now."""
        self.forks += 1
        if pid is None:
            return []
        if number is None:
            self.missing.append((self.forks, parent, pid, when))
            return []
        found = []
        one_parent = len({entry[1] for entry in self.missing}) == 1
        if one_parent and self.known and number - self.known[1] == self.forks - self.known[0]:
            first_fork, first_number = self.known
            found = [(pid, when, first_number + at - first_fork) for at, _parent, pid, when in self.missing]
        self.known, self.missing = (self.forks, number), []
        return found
