//! Script of the page.

/// Shows the figures of the lines of a plot at the pointer. The page is complete without it.
pub const READ_OUT: &str = r"'use strict';
document.querySelectorAll('svg.plot[data-x]').forEach(function (svg) {
  function axis(text) {
    var p = text.split(' '), lo = +p[1], hi = +p[2], from = +p[3], to = +p[4];
    return {from: from, to: to, read: function (px) {
      var s = (px - from) / (to - from);
      var v = (p[0] === 'log' ? lo * Math.pow(hi / lo, s) : lo + s * (hi - lo)) * p[5];
      return (+v.toPrecision(4)).toLocaleString('en') + (p[6] ? '\u00a0' + p[6] : '');
    }};
  }
  var x = axis(svg.dataset.x), y = axis(svg.dataset.y);
  var lines = Array.from(svg.querySelectorAll('polyline')).filter(function (l) { return !l.classList.contains('fine'); });
  if (lines.length === 0) { return; }
  var box = document.createElement('div'), hair = document.createElementNS(svg.namespaceURI, 'line');
  box.className = 'read-out';
  box.hidden = true;
  hair.setAttribute('class', 'axis');
  hair.setAttribute('y1', y.to);
  hair.setAttribute('y2', y.from);
  hair.style.display = 'none';
  svg.appendChild(hair);
  svg.parentNode.appendChild(box);
  function hide() { box.hidden = true; hair.style.display = 'none'; }
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('pointermove', function (event) {
    var at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    if (x.from > at.x || at.x > x.to || y.to > at.y || at.y > y.from) { hide(); return; }
    var rows = [x.read(at.x)], found = {};
    lines.forEach(function (line) {
      Array.from(line.points).forEach(function (p) {
        var d = Math.abs(p.x - at.x), name = line.dataset.name;
        if (12 > d && (!found[name] || found[name].d > d)) { found[name] = {d: d, y: p.y}; }
      });
    });
    Object.keys(found).forEach(function (name) { rows.push((name ? name + ': ' : '') + y.read(found[name].y)); });
    box.replaceChildren.apply(box, rows.map(function (row) {
      var div = document.createElement('div');
      div.textContent = row;
      return div;
    }));
    hair.setAttribute('x1', at.x);
    hair.setAttribute('x2', at.x);
    hair.style.display = '';
    box.hidden = false;
    var frame = svg.parentNode.getBoundingClientRect(), left = event.clientX - frame.left + 14;
    if (left + box.offsetWidth > frame.width) { left -= box.offsetWidth + 28; }
    box.style.left = Math.max(0, left) + 'px';
    box.style.top = (event.clientY - frame.top + 10) + 'px';
  });
});
";
