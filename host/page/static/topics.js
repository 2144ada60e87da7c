// Topic filters of MQTT [MQTT-4.7]: `+` is one level, `#` at the end is any number, and neither matches `$` at the start.

export function filterProblem(filter) {
  if (filter === "") return "A filter has at least one character.";
  const levels = filter.split("/");
  for (const [index, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || index !== levels.length - 1)) return "“#” stands alone, as the last level.";
    if (level.includes("+") && level !== "+") return "“+” stands alone in its level.";
  }
  return null;
}

export function topicMatches(filter, topic) {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  if (topic.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false;
  for (const [index, level] of wanted.entries()) {
    if (level === "#") return true;
    if (index >= levels.length) return false;
    if (level !== "+" && level !== levels[index]) return false;
  }
  return wanted.length === levels.length;
}
