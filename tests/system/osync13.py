# SPDX-License-Identifier: BSD-2-Clause
"""What osync 1.3 reads: its sample file, each of its keys, each of its options.

SAMPLE      its sync.conf.example as far as a program can tell: the same sections, keys and values
            in the same order, with comments of our own
ABSENT      the keys that it knows and that sample does not set
TAKEN       further values of its keys, which are taken without a word
WARNED      values that change nothing here, {key: (value, word of the warning)}
REFUSED     values that are refused, {key: (value, word of the reason)}
OPTIONS     its options and how each ends
"""

SAMPLE = """\
#!/usr/bin/env bash

# The sample of osync 1.3, told again.

[GENERAL]
CONFIG_FILE_REVISION=1.3.0

## The name of the job
INSTANCE_ID="sync_test"

## Both folders
INITIATOR_SYNC_DIR="/home/git/osync/dir1"
TARGET_SYNC_DIR="/home/git/osync/dir2"
#TARGET_SYNC_DIR="ssh://backupuser@yourhost.old:22//home/git/osync/dir2"

## How to log in
SSH_RSA_PRIVATE_KEY="/home/backupuser/.ssh/id_rsa"
SSH_PASSWORD_FILE=""
_REMOTE_TOKEN=SomeAlphaNumericToken9

CREATE_DIRS=true
LOGFILE=""
MINIMUM_SPACE=10240
BANDWIDTH=0
SUDO_EXEC=false

## rsync, and what it leaves out
RSYNC_EXECUTABLE=rsync
RSYNC_REMOTE_PATH=""
RSYNC_PATTERN_FIRST=include
RSYNC_INCLUDE_PATTERN=""
RSYNC_EXCLUDE_PATTERN=""
#RSYNC_EXCLUDE_PATTERN="tmp;archives"
RSYNC_INCLUDE_FROM=""
RSYNC_EXCLUDE_FROM=""
#RSYNC_EXCLUDE_FROM="exclude.list"
PATH_SEPARATOR_CHAR=";"

## Elsewhere than in the folders
INITIATOR_CUSTOM_STATE_DIR=""
TARGET_CUSTOM_STATE_DIR=""

[REMOTE_OPTIONS]

SSH_COMPRESSION=false
#SSH_OPTIONAL_ARGS="-vvv"
SSH_IGNORE_KNOWN_HOSTS=false
SSH_CONTROLMASTER=false
REMOTE_HOST_PING=false
REMOTE_3RD_PARTY_HOSTS="www.kernel.org www.google.com"

[MISC_OPTIONS]

RSYNC_OPTIONAL_ARGS=""
PRESERVE_PERMISSIONS=true
PRESERVE_OWNER=true
PRESERVE_GROUP=true
## Not everywhere
PRESERVE_EXECUTABILITY=true
PRESERVE_ACL=false
PRESERVE_XATTR=false
COPY_SYMLINKS=false
KEEP_DIRLINKS=false
PRESERVE_HARDLINKS=false
CHECKSUM=false
RSYNC_COMPRESS=true

## Seconds
SOFT_MAX_EXEC_TIME=7200
HARD_MAX_EXEC_TIME=10600
KEEP_LOGGING=1801
MIN_WAIT=60
MAX_WAIT=7200

[BACKUP_DELETE_OPTIONS]

LOG_CONFLICTS=false
ALERT_CONFLICTS=false
CONFLICT_BACKUP=true
CONFLICT_BACKUP_MULTIPLE=false
CONFLICT_BACKUP_DAYS=30
CONFLICT_PREVALANCE=initiator
SOFT_DELETE=true
SOFT_DELETE_DAYS=30
SKIP_DELETION=
SYNC_TYPE=

[RESUME_OPTIONS]

RESUME_SYNC=true
RESUME_TRY=2
FORCE_STRANGER_LOCK_RESUME=false
PARTIAL=false
DELTA_COPIES=true

[ALERT_OPTIONS]

DESTINATION_MAILS="your@alert.tld"
ALWAYS_SEND_MAILS=false
MAIL_BODY_CHARSET=""
SENDER_MAIL="alert@your.system.tld"
SMTP_SERVER=smtp.your.isp.tld
SMTP_PORT=25
# tls, ssl or none
SMTP_ENCRYPTION=none
SMTP_USER=
SMTP_PASSWORD=

[EXECUTION_HOOKS]

LOCAL_RUN_BEFORE_CMD=""
LOCAL_RUN_AFTER_CMD=""

REMOTE_RUN_BEFORE_CMD=""
REMOTE_RUN_AFTER_CMD=""

MAX_EXEC_TIME_PER_CMD_BEFORE=0
MAX_EXEC_TIME_PER_CMD_AFTER=0
STOP_ON_CMD_ERROR=true
RUN_AFTER_CMD_ON_ERROR=false
"""

ABSENT = ("KRB5", "SSH_OPTIONAL_ARGS")

# Each of its switches, as people write them.
SWITCHES = """
    CREATE_DIRS SUDO_EXEC SSH_COMPRESSION SSH_CONTROLMASTER REMOTE_HOST_PING PRESERVE_PERMISSIONS
    PRESERVE_OWNER PRESERVE_GROUP PRESERVE_EXECUTABILITY PRESERVE_ACL PRESERVE_XATTR COPY_SYMLINKS
    KEEP_DIRLINKS PRESERVE_HARDLINKS CHECKSUM RSYNC_COMPRESS LOG_CONFLICTS ALERT_CONFLICTS
    CONFLICT_BACKUP CONFLICT_BACKUP_MULTIPLE SOFT_DELETE RESUME_SYNC FORCE_STRANGER_LOCK_RESUME
    PARTIAL DELTA_COPIES ALWAYS_SEND_MAILS STOP_ON_CMD_ERROR RUN_AFTER_CMD_ON_ERROR
    SSH_IGNORE_KNOWN_HOSTS
""".split()

TAKEN = {
    "CONFIG_FILE_REVISION": ["1.3.1", '"1.3.0-rc1"'],
    "INSTANCE_ID": ["my-job.2"],
    "SSH_PASSWORD_FILE": ['"${HOME}/password"'],
    "_REMOTE_TOKEN": ['""', "Another9"],
    "MINIMUM_SPACE": ["0", "1024"],
    "BANDWIDTH": ['""'],
    "RSYNC_PATTERN_FIRST": ["exclude"],
    "RSYNC_INCLUDE_PATTERN": ['"/keep;*.txt"'],
    "RSYNC_EXCLUDE_PATTERN": ['"tmp;archives"', '"/a b/;*~"'],
    "RSYNC_INCLUDE_FROM": ["include.list"],
    "RSYNC_EXCLUDE_FROM": ['"exclude.list"', "${HOME}/exclude.list"],
    "PATH_SEPARATOR_CHAR": ["':'"],
    "INITIATOR_CUSTOM_STATE_DIR": ['"${HOME}/state"'],
    "TARGET_CUSTOM_STATE_DIR": ['"${HOME}/other state"'],
    "REMOTE_3RD_PARTY_HOSTS": ['""'],
    "SOFT_MAX_EXEC_TIME": ["0"],
    "HARD_MAX_EXEC_TIME": ["0"],
    "KEEP_LOGGING": ["0", "60"],
    "MIN_WAIT": ["1"],
    "MAX_WAIT": ["0"],
    "CONFLICT_BACKUP_DAYS": ["0", "365"],
    "CONFLICT_PREVALANCE": ["target", '"TARGET"'],
    "SOFT_DELETE_DAYS": ["0", "365"],
    "SKIP_DELETION": ["initiator", '"initiator,target"', '"target,initiator"'],
    "SYNC_TYPE": ["initiator2target", '"target2initiator"'],
    "RESUME_TRY": ["0", "1"],
    "DESTINATION_MAILS": ['""', '"one@example.org two@example.org"'],
    "MAIL_BODY_CHARSET": ["ISO-8859-1"],
    "SENDER_MAIL": ["me@example.org"],
    "SMTP_SERVER": ["mail.example.org"],
    "SMTP_PORT": ["587"],
    "SMTP_ENCRYPTION": ["tls", "ssl"],
    "LOCAL_RUN_BEFORE_CMD": ['"ps aux | grep \\"[o]sync\\" || exit 0"'],
    "LOCAL_RUN_AFTER_CMD": ["true"],
    "MAX_EXEC_TIME_PER_CMD_BEFORE": ["10"],
    "MAX_EXEC_TIME_PER_CMD_AFTER": ["10"],
}

# Where one value of a switch is not taken without a word.
ONLY = {
    "COPY_SYMLINKS": "no", "KEEP_DIRLINKS": "no", "CONFLICT_BACKUP": "yes", "SOFT_DELETE": "yes",
    "PARTIAL": "no", "DELTA_COPIES": "yes", "SSH_CONTROLMASTER": "no",
}

WARNED = {
    "RSYNC_EXECUTABLE": ("/opt/rsync", "rsync does not run here"),
    "RSYNC_REMOTE_PATH": ("/opt/bin", "REMOTE_OSYNC_PATH"),
    "RSYNC_OPTIONAL_ARGS": ('"--modify-window=2 --omit-dir-times"', "rsync does not run here"),
    "PARTIAL": ("yes", "rsync does not run here"),
    "DELTA_COPIES": ("no", "rsync does not run here"),
    "SSH_OPTIONAL_ARGS": ('"-o ServerAliveInterval=5"', "SSH_CONFIG_FILE"),
    "SSH_CONTROLMASTER": ("true", "only one connection"),
    "BANDWIDTH": ("100", "no effect: the target is on this machine"),
}

REFUSED = {
    "INITIATOR_SYNC_DIR": ("ssh://me@there/folder", "run osync on the other one"),
    "KRB5": ("true", "TRANSPORT_COMMAND"),
    "COPY_SYMLINKS": ("true", "never followed"),
    "KEEP_DIRLINKS": ("yes", "never followed"),
    "CONFLICT_BACKUP": ("no", "always goes to the trash"),
    "SOFT_DELETE": ("false", "always goes to the trash"),
    "RSYNC_EXCLUDE_FROM": ("no-such.list", "no-such.list"),
}

# osync 1.0, as its files still have them: (value, the name now)
OLD = {
    "MASTER_SYNC_DIR": ("/here", "INITIATOR_SYNC_DIR"),
    "SLAVE_SYNC_DIR": ("/there", "TARGET_SYNC_DIR"),
    "SYNC_ID": ("old", "INSTANCE_ID"),
    "MASTER_CUSTOM_STATE_DIR": ("/here", "INITIATOR_CUSTOM_STATE_DIR"),
    "SLAVE_CUSTOM_STATE_DIR": ("/there", "TARGET_CUSTOM_STATE_DIR"),
}

# Options that are taken without a word, but for the two that name the folders.
OPTIONS = [
    "--dry", "--silent", "--verbose", "--errors-only", "--no-prefix", "--non-interactive", "--stats",
    "--summary", "--log-conflicts", "--alert-conflicts", "--partial", "--no-maxtime",
    "--force-unlock", "--no-resume", "--initialize", "--rsakey=/no/such/key",
    "--password-file=/no/such/file", "--remote-token=T9", "--instance-id=other",
    "--skip-deletion=target", "--sync-type=initiator2target", "--destination-mails=me@example.org",
    "--initiator-state-dir=/tmp/state=here", "--target-state-dir=/tmp/state there",
]
OPTIONS_WARNED = {"--ssh-controlmaster": "only one connection"}
OPTIONS_REFUSED = {
    "--krb5": "TRANSPORT_COMMAND", "--no-locks": "could lose files", "--on-changes": "watch",
    "--on-changes-target": "watch",
}


def keys():
    """{key: value as it is written} of the sample."""
    lines = (line.partition("=") for line in SAMPLE.splitlines() if line[:1] not in ("#", "[", ""))
    return {key: value for key, _, value in lines}


def file_with(changes):
    """The sample with these values: for its own keys in their place, others at the end."""
    text, rest = [], dict(changes)
    for line in SAMPLE.splitlines():
        key = line.partition("=")[0]
        text.append(f"{key}={rest.pop(key)}" if key in rest and line[:1] != "#" else line)
    return "\n".join([*text, *(f"{key}={value}" for key, value in rest.items()), ""])
