package credcache

const noFollow = 0 // a link needs a privilege there
