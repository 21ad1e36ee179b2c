//! How much memory the process may have before the kernel ends it.

use std::fs;

/// Where one container finds its own limit, as cgroup v2 and v1 mount it.
const MOUNTS: [(&str, &str, &str); 2] =
    [("", "/sys/fs/cgroup", "memory.max"), ("memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes")];

/// The limit of the process's control group in bytes; none, or none that can be read: `None`.
///
/// In a container the group's files lie at the mount's root; on a host, as for a systemd unit, at the path
/// that `/proc/self/cgroup` names (`cgroups(7)`).
pub fn limit() -> Option<u64> {
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    MOUNTS.iter().find_map(|(controller, mount, file)| {
        let group = group(&membership, controller).unwrap_or_default();
        let read = |group: &str| fs::read_to_string(format!("{mount}{group}/{file}")).ok();
        read(group).or_else(|| read("")).and_then(|text| bytes(&text))
    })
}

/// The path of the group in a hierarchy's line, `ID:CONTROLLERS:PATH`; no controller is v2's hierarchy.
fn group<'a>(membership: &'a str, controller: &str) -> Option<&'a str> {
    membership.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|one| one == controller).then_some(path.trim_end_matches('/'))
    })
}

/// Version 2 says `max` where there is no limit, version 1 a number beyond any machine.
fn bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_controller_in_both_versions() {
        let v1 = "5:cpu,cpuacct:/a\n4:memory:/kubepods/pod1\n1:name=systemd:/b\n";
        assert_eq!(group(v1, "memory"), Some("/kubepods/pod1"));
        assert_eq!(group(v1, ""), None);
        let v2 = "0::/system.slice/pacer.service\n";
        assert_eq!(group(v2, ""), Some("/system.slice/pacer.service"));
        assert_eq!(group("0::/\n", ""), Some(""));
        assert_eq!(group("nonsense\n", ""), None);
    }

    #[test]
    fn a_limit_is_a_number_and_max_is_none() {
        assert_eq!(bytes("134217728\n"), Some(128 << 20));
        assert_eq!(bytes("max\n"), None);
        assert_eq!(bytes(""), None);
    }
}
