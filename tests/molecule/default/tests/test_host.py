"""The host itself: packages, clock, journal, upgrades."""

import pytest

OVERRIDES = """
our %nrconf;
do "/etc/needrestart/needrestart.conf"; die $@ if $@;
for my $unit ("harvester-recorder.service", "cron.service") {
    my ($found) = grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};
    print "$unit ", (defined $found ? $nrconf{override_rc}{$found} : "free"), "\\n";
}
"""


def test_no_unit_has_failed(host):
    assert host.check_output("systemctl list-units --failed --plain --no-legend") == ""


def test_the_clock_shows_utc(host):
    assert host.check_output("date +%Z") == "UTC"
    assert host.service("chrony").is_enabled


@pytest.mark.parametrize(("timer", "minutes"), [("apt-daily", "00,30"), ("apt-daily-upgrade", "10,40")])
def test_upgrades_wait_for_the_night_before_a_sunday_morning(host, timer, minutes):
    calendar = host.check_output(f"systemctl show {timer}.timer --property TimersCalendar --property Persistent")

    assert calendar.count("OnCalendar=") == 1
    assert f"OnCalendar=Sun *-*-* 03,04:{minutes}:00 Asia/Kolkata" in calendar
    assert "Persistent=no" in calendar
    assert 'APT::Periodic::Unattended-Upgrade "1"' in host.check_output("apt-config dump")


def test_needrestart_leaves_the_harvester_alone(host):
    answer = host.check_output(f"perl - <<'E'\n{OVERRIDES}\nE")

    assert answer.splitlines() == ["harvester-recorder.service 0", "cron.service free"]


def test_the_journal_is_kept_within_limits(host):
    settings = host.check_output("systemd-analyze cat-config systemd/journald.conf")

    assert "\nSystemMaxUse=500M" in settings
    assert host.file("/var/log/journal").is_directory


def test_redirects_are_refused_by_the_kernel(host):
    assert host.sysctl("net.ipv4.conf.all.accept_redirects") == 0
    assert host.sysctl("net.ipv4.conf.all.rp_filter") == 1
