# Follows a log file by name from its beginning and prints whole lines. Runs in a product's container (Debian's
# perl-base is in every image), because `tail -F` loses what is written around a rotation.
#
# Survives rename and create (the old file is read to its end, and for five more seconds, because its writer may
# still hold it) and copy and truncate. What is written and truncated within one look, 50 ms, nobody could read.
use strict;
use warnings;

my ($path) = @ARGV;
my ($current, @old);
my $most = 1 << 20;

sub put {
    my ($data) = @_;
    my $at = 0;
    while ($at < length $data) {
        my $written = syswrite(STDOUT, $data, length($data) - $at, $at);
        exit 0 unless defined $written;
        $at += $written;
    }
}

sub drain {
    my ($file) = @_;
    # Where the last bytes that were read are not there any more, the file was truncated, whatever its size is now.
    my $mark = $file->{mark};
    if (length $mark) {
        sysseek($file->{handle}, $file->{position} - length $mark, 0);
        my $got = sysread($file->{handle}, my $seen, length $mark);
        if (!$got || $seen ne $mark) {
            finish($file);
            sysseek($file->{handle}, 0, 0);
            @$file{qw(position mark)} = (0, '');
        }
    }
    while (my $got = sysread($file->{handle}, my $data, 1 << 16)) {
        $file->{position} += $got;
        $file->{mark} = substr($data, $got > 64 ? -64 : 0);
        $file->{rest} .= $data;
        my $end = rindex($file->{rest}, "\n");
        put(substr($file->{rest}, 0, $end + 1, '')) if $end >= 0;
        $file->{rest} = '' if length $file->{rest} > $most;
    }
}

sub finish {
    my ($file) = @_;
    put("$file->{rest}\n") if length $file->{rest};
    $file->{rest} = '';
}

$SIG{PIPE} = sub { exit 0 };
while (1) {
    drain($_) for @old;
    drain($current) if $current;
    my ($device, $inode) = stat $path;
    my $key = defined $inode ? "$device/$inode" : '';
    if ($key && (!$current || $current->{key} ne $key) && open(my $handle, '<:raw', $path)) {
        ($device, $inode) = stat $handle;
        if ($current) {
            drain($current);
            push @old, {%$current, until => time + 5};
        }
        $current = {handle => $handle, key => "$device/$inode", rest => '', mark => '', position => 0};
        drain($current);
    }
    for my $file (grep { $_->{until} < time } @old) {
        finish($file);
        close $file->{handle};
    }
    @old = grep { $_->{until} >= time } @old;
    select(undef, undef, undef, 0.05);
}
