'use strict';
(() => {
  const data = JSON.parse(document.getElementById('figures').textContent);
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const charts = [];
  /* On paper and for those who ask for calm, nothing moves. */
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 12.5;

  const ms = (us) => {
    const value = us / 1000;
    return (value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)) + ' ms';
  };
  const axis = (title, more) => Object.assign({
    title: { display: true, text: title, color: colour('--soft') },
    grid: { color: colour('--rule'), drawBorder: false },
    ticks: { color: colour('--soft'), maxRotation: 0 },
  }, more);
  const legend = () => ({
    position: 'bottom',
    labels: { color: colour('--ink'), usePointStyle: true, pointStyle: 'rectRounded', boxWidth: 10,
      boxHeight: 8, padding: 14 },
  });
  /* 1, 2 and 5 of each power of ten within the values. */
  const steps = (scale) => {
    const list = [];
    for (let power = Math.floor(Math.log10(scale.min)); power <= Math.log10(scale.max); power++) {
      [1, 2, 5].forEach((digit) => list.push(Number(digit + 'e' + power)));
    }
    scale.ticks = list.filter((value) => value >= scale.min && value <= scale.max)
      .map((value) => ({ value }));
  };

  /* Percentiles: the further right, the rarer; one unit of x is one more nine. */
  const nines = { 0: '0', 0.30103: '50', 1: '90', 2: '99', 3: '99.9', 4: '99.99', 5: '99.999' };
  const curve = (list, count) => {
    const points = [];
    const end = Math.log10(Math.max(count, 2));
    data.shares.forEach((share, i) => {
      const us = list[i];
      const x = share >= 1 ? end : -Math.log10(1 - share);
      if (us > 0 && (share >= 1 || x < end - 1e-9)) {
        points.push({ x, y: us / 1000, share });
      }
    });
    return points;
  };
  const percentiles = () => {
    const sets = data.curves.map((each) => ({
      label: each.name,
      data: curve(each.us, each.count),
      borderColor: colour(each.colour), backgroundColor: colour(each.colour),
      borderWidth: each.total ? 3.5 : 1.8, pointRadius: 0, pointHitRadius: 8, tension: 0.2,
      order: each.total ? 0 : 1,
    }));
    const values = sets.flatMap((set) => set.data.map((point) => point.y));
    return {
      type: 'line',
      data: { datasets: sets },
      options: {
        interaction: { mode: 'nearest', intersect: false },
        scales: {
          x: axis('share of enrolments at or below, %', {
            type: 'linear', min: 0, max: Math.log10(Math.max(data.count, 2)),
            afterBuildTicks: (scale) => {
              scale.ticks = Object.keys(nines).map(Number).filter((v) => v <= scale.max + 1e-9)
                .sort((a, b) => a - b).map((value) => ({ value }));
            },
            ticks: { color: colour('--soft'), maxRotation: 0, autoSkip: false,
              callback: (value) => nines[value] },
          }),
          y: axis('ms, logarithmic', { type: 'logarithmic',
            min: values.length > 0 ? Math.min(...values) * 0.85 : 0.1,
            max: values.length > 0 ? Math.max(...values) * 1.25 : 1000,
            afterBuildTicks: steps,
            ticks: { color: colour('--soft'), autoSkip: false,
              callback: (value) => value.toLocaleString('en') } }),
        },
        plugins: {
          legend: legend(),
          tooltip: { callbacks: {
            title: (items) => items.length === 0 ? '' : (items[0].raw.share >= 1 ? 'maximum'
              : (items[0].raw.share * 100).toLocaleString('en', { maximumFractionDigits: 2 }) + ' %'),
            label: (item) => item.dataset.label + ': ' + ms(item.raw.y * 1000),
          } },
        },
      },
    };
  };

  const outcomes = [['enrolled', '--s3'], ['failed', '--s6'], ['timeout', '--s5'], ['shed', '--s9']];
  const timeline = () => ({
    data: {
      labels: data.bins.map((bin) => bin.at),
      datasets: [{
        type: 'line', label: 'offered', data: data.bins.map((bin) => bin.offered),
        borderColor: colour('--accent'), backgroundColor: colour('--accent'), borderWidth: 2,
        pointRadius: data.bins.length > 40 ? 0 : 2.5, stepped: data.bins.length > 1 ? 'middle' : false,
      }].concat(outcomes
        .filter(([name]) => name === 'enrolled' || data.bins.some((bin) => bin[name] > 0))
        .map(([name, tint]) => ({
          type: 'bar', label: name, data: data.bins.map((bin) => bin[name]), stack: 'outcome',
          backgroundColor: colour(tint), maxBarThickness: 46, categoryPercentage: 0.92,
          barPercentage: 0.94,
        }))),
    },
    options: {
      interaction: { mode: 'index', intersect: false },
      scales: {
        x: axis('seconds since the start', { grid: { display: false, drawBorder: false } }),
        y: axis('enrolments per ' + data.bin, { beginAtZero: true, stacked: true,
          ticks: { color: colour('--soft'), precision: 0 } }),
      },
      plugins: { legend: legend() },
    },
  });
  const speed = () => ({
    type: 'line',
    data: {
      labels: data.bins.map((bin) => bin.at),
      datasets: [['p50', '--s1'], ['p99', '--s5'], ['max', '--s6']].map(([name, tint]) => ({
        label: name, data: data.bins.map((bin) => bin[name] > 0 ? bin[name] / 1000 : null),
        borderColor: colour(tint), backgroundColor: colour(tint), borderWidth: 2, spanGaps: true,
        pointRadius: data.bins.length > 40 ? 0 : 2.5,
      })),
    },
    options: {
      interaction: { mode: 'index', intersect: false },
      scales: {
        x: axis('seconds since the start', { grid: { display: false, drawBorder: false } }),
        y: axis('total, ms', { beginAtZero: true }),
      },
      plugins: {
        legend: legend(),
        tooltip: { callbacks: { label: (item) => item.dataset.label + ': ' + ms(item.raw * 1000) } },
      },
    },
  });

  const draw = () => {
    charts.splice(0).forEach((chart) => chart.destroy());
    [['percentiles', percentiles], ['timeline', timeline], ['speed', speed]].forEach(([id, make]) => {
      const place = document.getElementById(id);
      if (place !== null) {
        charts.push(new Chart(place, make()));
      }
    });
  };
  draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  matchMedia('print').addEventListener('change', draw);
})();
